"""The objects that a watch has delivered, so that every answer of the API server becomes the right next event."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..interface import Event, Object

__all__ = ["ObjectCache"]


@dataclass(frozen=True, slots=True)
class _Last:
    """The object as text: half the memory, and safe from a handler that edits its copy."""

    uid: str
    version: str
    text: str


class ObjectCache:
    """The objects of one kind. `get` may be called from any thread, all else only from that of the watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], _Last] = {}

    def get(self, name: str, namespace: str) -> Object | None:
        """A copy of an object as it was last seen."""
        with self._lock:
            last = self._last.get((namespace, name))
        return None if last is None else _object(last)

    def relisted(self, objects: Iterable[Object], version: str) -> Iterator[Event]:
        """The events that lead from what was seen to this list, taken at resourceVersion `version`."""
        present = list(objects)
        names = {_name(obj) for obj in present}
        for key in [key for key in self._last if key not in names]:
            yield self._forget(key, version)
        for obj in present:
            yield from self.changed(obj)

    def changed(self, obj: Object) -> Iterator[Event]:
        """The events for an object that exists: none if this version was seen, two if it is another of the same name."""
        key, meta = _name(obj), obj["metadata"]
        last = self._last.get(key)
        if last is not None and last.uid != meta["uid"]:
            yield self._forget(key, meta["resourceVersion"])
            last = None
        if last is not None and last.version == meta["resourceVersion"]:
            return
        with self._lock:
            self._last[key] = _Last(meta["uid"], meta["resourceVersion"], json.dumps(obj, separators=(",", ":")))
        yield Event(type="ADDED" if last is None else "MODIFIED", object=obj)

    def deleted(self, obj: Object) -> Iterator[Event]:
        """The event for an object that was deleted; none if it was never delivered, or delivered as deleted."""
        key = _name(obj)
        last = self._last.get(key)
        if last is not None and last.uid == obj["metadata"]["uid"]:
            with self._lock:
                del self._last[key]
            yield Event(type="DELETED", object=obj)

    def _forget(self, key: tuple[str, str], version: str) -> Event:
        with self._lock:
            gone = _object(self._last.pop(key))
        gone["metadata"]["resourceVersion"] = version
        return Event(type="DELETED", object=gone)


def _object(last: _Last) -> Object:
    found: Object = json.loads(last.text)
    return found


def _name(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])
