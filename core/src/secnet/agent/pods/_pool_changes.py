"""What a change of an IPPool may mean to Pods that wait."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

__all__ = ["PoolChange", "PoolChanges"]


class PoolChange(Enum):
    """NEW: it was not known. EDITED: its spec changed, or it is gone. RELEASED: fewer of its addresses are in use."""

    NEW = auto()
    EDITED = auto()
    RELEASED = auto()
    NOTHING = auto()


class PoolChanges:
    """Remembers what was last seen of each pool."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, int]] = {}

    def note(self, pool: Mapping[str, Any], *, deleted: bool) -> PoolChange:
        """Take a new state, or the pool's end."""
        name = pool["metadata"]["name"]
        spec, used = pool.get("spec"), len((pool.get("status") or {}).get("ipAddresses") or [])
        before = self._seen.pop(name, None)
        if not deleted:
            self._seen[name] = (spec, used)
        if before is None:
            return PoolChange.NEW
        if deleted or before[0] != spec:
            return PoolChange.EDITED
        return PoolChange.RELEASED if used < before[1] else PoolChange.NOTHING
