"""Whether the plugin is to stand in the runtime's configuration: a word between a running agent and `secnet cni-uninstall`.

An agent writes its entry again whenever it is missing, so it must know that it was removed on purpose. The flag is in
the run directory, holds until an agent starts, and is read and written under a lock: no entry appears behind the remover's back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.os_errors import translated
from ..base.private_files import open_lock

__all__ = ["InstallFlag"]

_FILE = "cni-chain"
_OFF = b"off\n"


class InstallFlag:
    """Of one run directory. Raises what an OSError there means."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / _FILE

    def turn_on(self) -> None:
        """An agent starts: from now on it keeps its entry."""
        with self._locked() as descriptor:
            os.truncate(descriptor, 0)

    def if_on(self, ensure: Callable[[], None]) -> bool:
        """Call `ensure`, unless it is off; returns whether it is on."""
        with self._locked() as descriptor:
            on = os.pread(descriptor, len(_OFF), 0) != _OFF
            if on:
                ensure()
            return on

    def turn_off(self, remove: Callable[[], None]) -> None:
        """Call `remove`, and let no agent that runs now undo it."""
        with self._locked() as descriptor:
            os.pwrite(descriptor, _OFF, 0)
            remove()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with translated(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = open_lock(self._path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
