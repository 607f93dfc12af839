"""A watch of several kinds at once: one thread and one connection for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from ..interface import Event, Handler, Watch
from ..kinds import KINDS, Kinds
from ._api import Api
from ._reflector import Pace, Reflector

__all__ = ["Informer"]

_log = logging.getLogger(__name__)

_JOIN_SECONDS = 10.0


class Informer(Watch):
    """See `Watch`. kinds: each with its field selector. table: what is known of them."""

    def __init__(
        self,
        api: Api,
        kinds: Iterable[tuple[str, str]],
        handler: Handler,
        on_close: Callable[[Informer], None],
        pace: Pace,
        table: Kinds = KINDS,
    ) -> None:
        self.synced = threading.Event()
        self._handler = handler
        self._on_close = on_close
        self._delivering = threading.RLock()
        self._closed = False
        self.reflectors = {
            kind: Reflector(
                api,
                kind,
                field_selector=selector,
                pace=pace,
                deliver=self._deliver,
                on_synced=self._synced,
                kinds=table,
            )
            for kind, selector in kinds
        }
        self._waiting = set(self.reflectors)

    def start(self) -> None:
        """Begin."""
        if not self.reflectors:
            self.synced.set()
        for reflector in self.reflectors.values():
            reflector.thread.start()

    def died(self) -> list[str]:
        """The kinds whose reflector has ended though the informer was not closed."""
        return [kind for kind, reflector in self.reflectors.items() if reflector.died]

    def close(self) -> None:
        """See `Watch.close`. A handler may close its own watch; it then still runs to its end.

        A thread that waits for a name server or for the first packet of a connection ends a few seconds later by itself.
        """
        for reflector in self.reflectors.values():
            reflector.stop()
        with self._delivering:
            self._closed = True
        threads = [reflector.thread for reflector in self.reflectors.values()]
        if threading.current_thread() not in threads:
            for thread in threads:
                if thread.is_alive():
                    thread.join(_JOIN_SECONDS)
        self._on_close(self)

    def _deliver(self, event: Event) -> None:
        with self._delivering:  # the kinds have a thread each, the handler is called by one at a time
            if self._closed:
                return
            try:
                self._handler(event)
            except Exception:
                _log.exception("a handler failed on %s of %s", event.type, event.object["metadata"]["name"])

    def _synced(self, kind: str) -> None:
        with self._delivering:
            self._waiting.discard(kind)
            if not self._waiting:
                self.synced.set()
