"""Object stores that stand before the real one and are difficult, or watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secnet.agent.cluster.files.store import FileStore
from secnet.contract import SecnetError, Unavailable

__all__ = ["Ahead", "Asked", "Counted", "Deaf", "Refusing"]

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
    """Another writer changes the object before each write, so that the real store refuses every one."""

    def __init__(self, store: FileStore) -> None:
        super().__init__(store)
        self.refused = 0
        self._over = False
        self._touched: dict[tuple[str, str, str], None] = {}

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        if self._over:
            return super().update_status(obj)
        self.refused += 1
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        self._touched[kind, name, namespace] = None
        self.store.patch_annotations(kind, name, namespace, {_MARK: str(self.refused)})
        return super().update_status(obj)

    def tidy(self) -> None:
        """Stop the changes, and let the next write succeed."""
        self._over = True
        for kind, name, namespace in self._touched:
            self.store.patch_annotations(kind, name, namespace, {_MARK: None})


class Deaf(Asked):
    """Writes, but the `number`th write has no answer: the caller cannot know whether it was done."""

    def __init__(self, store: FileStore, number: int = 1, error: Callable[[str], SecnetError] = Unavailable) -> None:
        super().__init__(store)
        self.lost = False
        self._left = number
        self._error = error

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        stored = super().update_status(obj)
        self._left -= 1
        if not self._left:
            self.lost = True
            raise self._error("the connection ended before the answer came")
        return stored


class Refusing(Asked):
    """Serves no call, as a store that cannot be reached; or reads only. `asked` says whether a call was refused."""

    def __init__(self, store: FileStore, *, reads: bool) -> None:
        super().__init__(store)
        self._reads = reads
        self.asked = False

    def _refuse(self) -> None:
        self.asked = True
        raise Unavailable("the store cannot be reached")

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        if not self._reads:
            self._refuse()
        return super().get(kind, name, namespace)

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        if not self._reads:
            self._refuse()
        return super().list(kind, namespace)

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        self._refuse()
        return obj


class Counted(Asked):
    """A store, and an observer of steps: counts the changes that were made in each step."""

    def __init__(self, store: FileStore) -> None:
        super().__init__(store)
        self.faults: list[str] = []
        self._changes = 0

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        stored = super().update_status(obj)
        # A write of the same content changes nothing, and the version stays.
        self._changes += stored["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]
        return stored

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._changes = 0

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        if self._changes > 1:
            self.faults.append(f"{self._changes} changes of the store in one step {name}")
