"""Which sandboxes this node ever gave addresses to: remembered over reboots, for only then is the runtime's word the last one.

A pool's entry names a container, and not the node on which it runs. A runtime that does not know the container says that it has
ended only if it was this node's at all.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path

__all__ = ["SandboxLedger"]

_log = logging.getLogger(__name__)


class SandboxLedger:
    """The container ids, a line each, in a file of the state directory. Thread-safe.

    A file that is lost, or lacks its last lines after a power failure, costs nothing but time: such a container counts as one
    of another node. So nothing is synced, and what cannot be written is logged and no error.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "sandboxes"
        self._lock = threading.Lock()
        self._ids = self._read()

    def __contains__(self, container_id: str) -> bool:
        with self._lock:
            return container_id in self._ids

    def add(self, container_id: str) -> None:
        """It is this node's. To be called before an address is asked for."""
        with self._lock:
            if container_id in self._ids:
                return
            self._ids.add(container_id)
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{container_id}\n")
            except OSError as exc:
                _log.warning("%s cannot be written: %s", self._path, exc.strerror or exc)

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        """Forget all that neither a pool nor a record names any more.

        named: asked while no sandbox can be added. A record is written before its sandbox is added, so none is forgotten in
        between.
        """
        with self._lock:
            kept = self._ids.intersection(named())
            if len(kept) == len(self._ids):
                return
            temporary = self._path.with_name(f".{self._path.name}.new")
            try:
                temporary.write_text("".join(f"{each}\n" for each in sorted(kept)), encoding="utf-8")
                os.replace(temporary, self._path)
            except OSError as exc:
                _log.warning("%s cannot be written: %s", self._path, exc.strerror or exc)
                return
            self._ids = kept

    def _read(self) -> set[str]:
        try:
            return set(self._path.read_text(encoding="utf-8", errors="replace").split())
        except FileNotFoundError:
            return set()
        except OSError as exc:
            _log.warning("%s cannot be read: %s", self._path, exc.strerror or exc)
            return set()
