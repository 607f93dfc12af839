"""Object stores that stand before the real one and are difficult, or watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from secnet.agent.cluster.store import FileStore
from secnet.contract import SecnetError, Unavailable

__all__ = ["Ahead", "Asked", "Deaf"]

_MARK = "conformance.secnet.io/ahead"


class Asked:
    """Passes everything on, and notes for which kinds."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.kinds: set[str] = set()

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        self.kinds.add(kind)
        return self.store.get(kind, name, namespace)

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        self.kinds.add(kind)
        return self.store.list(kind, namespace)

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.kinds.add(obj["kind"])
        return self.store.update_status(obj)


class Ahead(Asked):
    """Somebody else changes the object before each write, so that the real store refuses every one."""

    def __init__(self, store: FileStore) -> None:
        super().__init__(store)
        self.refused = 0
        self._touched: dict[tuple[str, str, str], None] = {}

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.refused += 1
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        self._touched[kind, name, namespace] = None
        self.store.patch_annotations(kind, name, namespace, {_MARK: str(self.refused)})
        return super().update_status(obj)

    def tidy(self) -> None:
        """Take the changes away."""
        for kind, name, namespace in self._touched:
            self.store.patch_annotations(kind, name, namespace, {_MARK: None})


class Deaf(Asked):
    """Does what it is told, once without an answer: the caller cannot know whether it was done."""

    def __init__(self, store: FileStore, error: Callable[[str], SecnetError] = Unavailable) -> None:
        super().__init__(store)
        self.lost = 0
        self._error = error

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        stored = super().update_status(obj)
        if not self.lost:
            self.lost += 1
            raise self._error("the connection ended before the answer came")
        return stored
