"""What the agent does when the run directory under it is gone."""

from __future__ import annotations

import logging
import signal

from ..config.settings import Settings
from ..state.journal import Journal
from ..state.run_dir import RunDirInUse, RunDirLock, bind_store

__all__ = ["RunDirKeeper"]

_log = logging.getLogger(__name__)


class RunDirKeeper:
    """`keep` takes a removed run directory again with all records, or ends this process if another was quicker."""

    def __init__(self, settings: Settings, lock: RunDirLock, role: str, journal: Journal) -> None:
        self._settings = settings
        self._lock = lock
        self._role = role
        self._journal = journal

    def keep(self) -> None:
        """For one thread."""
        if not self._lock.is_lost():
            return
        _log.error("the run directory %s was removed or replaced; taking it again", self._settings.run_dir)
        self._lock.release()
        try:
            self._lock.acquire(self._role)
        except RunDirInUse as exc:
            _log.critical("%s; ending, for two must not work on one node", exc)
            signal.raise_signal(signal.SIGTERM)
            return
        bind_store(self._settings.run_dir, self._settings.state_dir)
        self._journal.restore()
