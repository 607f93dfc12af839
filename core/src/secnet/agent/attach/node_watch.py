"""Events of the node, as the drivers that have an event source report them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from secnet.contract import Call, Cancelled, NetworkDriver, SecnetError

from ..base.backoff import Backoff
from .plugin_calls import Plugins

__all__ = ["NodeWatch"]

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0, 60.0


class NodeWatch:
    """Runs `watch_node` of every driver that overrides it, each in a thread, until it is closed.

    changed: called at each event, from any of these threads.
    """

    def __init__(self, plugins: Plugins, changed: Callable[[], None]) -> None:
        self._plugins = plugins
        self._changed = changed
        self._cancel = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to watch. A driver that fails is begun again with back-off, and keeps no other from being watched."""
        for name, plugin in sorted(self._plugins.registry.drivers.items()):
            if plugin.cls.watch_node is NetworkDriver.watch_node:
                continue
            thread = threading.Thread(target=self._watch, args=(name,), name=f"watch-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, seconds: float = 2.0) -> None:
        """End all of it; waits at most this long for all threads together. One that hangs stays behind."""
        self._cancel.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _watch(self, network_type: str) -> None:
        backoff = Backoff(*_RETRY_SECONDS)
        while True:
            try:
                self._plugins.driver(network_type).watch_node(self._changed, Call(cancel=self._cancel))
                return
            except Cancelled:
                return
            except SecnetError as exc:
                _log.warning("network type %s: no events of the node for now: %s", network_type, exc)
            if self._cancel.wait(backoff.delay()):
                return
