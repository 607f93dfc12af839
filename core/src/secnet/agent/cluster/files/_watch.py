"""Watching the store: what exists first, then every change, by whichever process."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from secnet.contract import SecnetError

from ..interface import Event, EventType, Handler, Object, Watch
from ..kinds import ObjectKey
from .state_files import LogPosition, Stamp, StateFiles, Stored

__all__ = ["StoreWatch"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Delivered:
    """The last event about an object that the handler got; as text, so that it cannot be edited by the handler."""

    uid: str
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class _Look:
    """One scan of the store: where the log stood, and each object to compare, with the revision of its last change."""

    position: LogPosition
    found: list[tuple[ObjectKey, Stored | None, int]]


class StoreWatch(Watch):
    """See `Watch`. Reads under the shared lock, so that it sees an object and the log line about it together."""

    def __init__(
        self, files: StateFiles, kinds: tuple[str, ...], handler: Handler, on_close: Callable[[StoreWatch], None]
    ) -> None:
        self.synced = threading.Event()
        self._files = files
        self._kinds = kinds
        self._handler = handler
        self._on_close = on_close
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._delivered: dict[ObjectKey, _Delivered] = {}
        self._position: LogPosition | None = None
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: this process changed something."""
        self._wake.set()

    def close(self) -> None:
        """See `Watch.close`. A handler may close its own watch; it then still runs to its end."""
        self._stop.set()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._on_close(self)

    def _run(self) -> None:
        stamp: Stamp | None = None
        complaint = ""
        while not self._stop.is_set():
            self._wake.clear()
            try:
                before = self._files.log_stamp()  # taken first: what changes after it is read again
                if before != stamp or not self.synced.is_set():
                    self._deliver(self._look())
                    self.synced.set()
                stamp, complaint = before, ""
            except SecnetError as exc:
                if str(exc) != complaint:
                    complaint = str(exc)
                    _log.error("cannot read the store, and keep trying: %s", exc)
            self._wake.wait(_POLL_SECONDS)

    def _look(self) -> _Look:
        with self._files.shared():
            position, entries = self._files.read_log(self._position)
            if entries is None:
                return _Look(position, list(self._everything(position)))
            last = {key: revision for revision, key in entries if key.kind in self._kinds}
            found = []
            for key, revision in sorted(last.items(), key=lambda item: item[1]):
                stored = self._read(key)
                if not isinstance(stored, SecnetError):
                    found.append((key, stored, revision))
            return _Look(position, found)

    def _everything(self, position: LogPosition) -> Iterator[tuple[ObjectKey, Stored | None, int]]:
        """All there is, and all that was seen and is gone. What cannot be read is neither."""
        if position.base < 0 and self._delivered:
            return  # the state directory itself is gone: that is no order to remove every object
        present: set[ObjectKey] = set()
        found = []
        for kind in self._kinds:
            for item in self._files.read_all(kind):
                if isinstance(item, Stored):
                    meta = item.object["metadata"]
                    key = ObjectKey(kind, meta.get("namespace", ""), meta["name"])
                    present.add(key)
                    found.append((key, item, int(item.version)))
        for key in sorted(set(self._delivered) - present):
            if self._read(key) is None:
                yield key, None, position.base
        yield from found

    def _read(self, key: ObjectKey) -> Stored | SecnetError | None:
        try:
            return self._files.read(key)
        except SecnetError as exc:
            return exc

    def _deliver(self, look: _Look) -> None:
        for key, stored, revision in look.found:
            for kind, obj in self._events(key, stored, revision):
                if self._stop.is_set():
                    return
                self._call_handler(Event(type=kind, object=obj))
        self._position = look.position

    def _events(self, key: ObjectKey, stored: Stored | None, revision: int) -> Iterable[tuple[EventType, Object]]:
        known = self._delivered.get(key)
        if known and (stored is None or stored.object["metadata"]["uid"] != known.uid):
            del self._delivered[key]
            gone: Object = json.loads(known.text)
            gone["metadata"]["resourceVersion"] = str(revision)
            yield "DELETED", gone
            known = None
        if stored is not None and (known is None or known.version != stored.version):
            uid = stored.object["metadata"]["uid"]
            self._delivered[key] = _Delivered(uid, stored.version, json.dumps(stored.object))
            yield "MODIFIED" if known else "ADDED", stored.object

    def _call_handler(self, event: Event) -> None:
        try:
            self._handler(event)
        except Exception:
            _log.exception("a handler failed on %s of %s", event.type, event.object["metadata"]["name"])
