"""An object store with real optimistic concurrency, for threads."""

from __future__ import annotations

import copy
import threading
from typing import Any

from secnet.contract import ObjectNotFound, StoreConflict


class MemoryStore:
    """Objects of one process, safe for threads. Every write gives a new resourceVersion."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        for obj in objects:
            self.put(obj)

    def put(self, obj: dict[str, Any]) -> None:
        """Create or replace an object as its author would, status included."""
        with self._lock:
            self._keep(copy.deepcopy(obj))

    def delete(self, kind: str, name: str) -> None:
        """Remove an object."""
        with self._lock:
            del self._objects[kind, name]

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        with self._lock:
            if (kind, name) not in self._objects:
                raise ObjectNotFound(f"no {kind} {name}")
            return copy.deepcopy(self._objects[kind, name])

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        with self._lock:
            return [copy.deepcopy(obj) for (found, _), obj in self._objects.items() if found == kind]

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            key = (obj["kind"], obj["metadata"]["name"])
            if key not in self._objects:
                raise ObjectNotFound(f"no {key}")
            stored = self._objects[key]
            if stored["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                raise StoreConflict(f"{key} changed")
            return copy.deepcopy(self._keep({**copy.deepcopy(stored), "status": copy.deepcopy(obj["status"])}))

    def _keep(self, obj: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._objects[obj["kind"], obj["metadata"]["name"]] = obj
        return obj
