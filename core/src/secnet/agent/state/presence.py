"""Who reconciles a run directory, and when it last looked at everything, for commands that only read what it left there."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import from_json, to_json

from .run_dir import is_reconciled

__all__ = ["AGENT_ROLE", "Presence", "Reconciler", "read_reconciler"]

AGENT_ROLE = "secnet agent"
"""The role of a process that is meant to stay; any other one reconciles for as long as its command takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """The last process that reconciled a run directory. Times are seconds since the epoch; 0 is never.

    pid: in its own PID namespace. resynced: when it last compared everything. seen: when it last wrote this down.
    resync_seconds: how often it does. runs: whether it still holds the run directory.
    """

    role: str
    version: str
    pid: int
    started: float
    seen: float
    resynced: float = 0.0
    resync_seconds: float = 0.0
    runs: bool = False

    @property
    def is_agent(self) -> bool:
        """Whether it is one that is meant to stay."""
        return self.role == AGENT_ROLE

    def is_overdue(self, now: float) -> bool:
        """Whether it has not looked at everything for so long that it probably hangs."""
        return self.runs and now - max(self.started, self.resynced) > 3 * self.resync_seconds + 60


class Presence:
    """Writes it, for the process that holds the run directory. Thread-safe.

    role: see `Agent`. resync_seconds: see `Reconciler`.
    """

    def __init__(self, run_dir: Path, role: str, resync_seconds: float) -> None:
        self._path = _path(run_dir)
        self._lock = threading.Lock()
        now = time.time()
        self._state = Reconciler(
            role=role,
            version=importlib.metadata.version("secnet"),
            pid=os.getpid(),
            started=now,
            seen=now,
            resync_seconds=resync_seconds,
        )

    @property
    def resynced(self) -> float:
        """When the last resync ended; 0 before the first."""
        return self._state.resynced

    def note(self, *, resynced: bool = False) -> None:
        """Write that this process is there. resynced: it has just compared everything.

        A run directory without room shows an older moment, and keeps no work from being done.
        """
        with self._lock:
            now = time.time()
            self._state = dataclasses.replace(self._state, seen=now, resynced=now if resynced else self._state.resynced)
            temporary = self._path.with_suffix(".tmp")
            with suppress(OSError):
                temporary.write_text(json.dumps(to_json(self._state)), encoding="utf-8")
                os.replace(temporary, self._path)


def read_reconciler(run_dir: Path) -> Reconciler | None:
    """The one that runs, or the last one; None if none ever did, or what it wrote cannot be read."""
    try:
        found = from_json(Reconciler, json.loads(_path(run_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return dataclasses.replace(found, runs=is_reconciled(run_dir))


def _path(run_dir: Path) -> Path:
    return run_dir / "reconciler.json"
