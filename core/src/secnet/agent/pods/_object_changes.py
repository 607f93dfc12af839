"""What a change of an object, such as an IPPool, may mean to Pods that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from secnet.contract import ObjectRef

__all__ = ["ObjectChange", "ObjectChanges"]


class ObjectChange(Enum):
    """NEW: the object was not known. EDITED: its spec changed, or it was deleted. RELEASED: its status may offer more."""

    NEW = auto()
    EDITED = auto()
    RELEASED = auto()
    NOTHING = auto()


class ObjectChanges:
    """Compares each object with its last state. Not thread-safe: for the handler of one watch."""

    def __init__(self) -> None:
        self._seen: dict[ObjectRef, tuple[Any, Mapping[str, Any]]] = {}

    def note(self, obj: Mapping[str, Any], *, deleted: bool) -> ObjectChange:
        """Take a new state, or the end of the object."""
        ref, spec, status = ObjectRef.of(obj), obj.get("spec"), obj.get("status") or {}
        before = self._seen.pop(ref, None)
        if not deleted:
            self._seen[ref] = (spec, status)
        if before is None:
            return ObjectChange.NEW
        if deleted or before[0] != spec:
            return ObjectChange.EDITED
        return ObjectChange.RELEASED if _offers_more(before[1], status) else ObjectChange.NOTHING


def _offers_more(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """An IPPool with an address that is not in use any more; of another kind any change of the status may be a release.

    Several changes may come as one, so the number of addresses says too little: one was released, and another one taken.
    """
    used_before, used_after = map(_in_use, (before, after))
    return bool(used_before - used_after) if used_before or used_after else before != after


def _in_use(status: Mapping[str, Any]) -> set[str]:
    entries = status.get("ipAddresses") or ()
    return {str(entry.get("ipAddress")) for entry in entries if isinstance(entry, Mapping)}
