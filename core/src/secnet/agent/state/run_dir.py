"""The run directory: who may reconcile it, and whose Pods its records are about."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from secnet.contract import Busy, Conflict, MissingPrivilege

from ..base.os_errors import translate_os_error, translated
from ..base.private_files import open_lock

__all__ = ["RunDirInUse", "RunDirLock", "bind_store", "current_boot_id", "is_reconciled", "require_store"]


def current_boot_id(proc_root: Path = Path("/proc")) -> str:
    """The kernel's id of this boot: records of another boot name kernel objects that are gone."""
    return (proc_root / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class RunDirInUse(Busy):
    """Another process reconciles this run directory."""


def is_reconciled(run_dir: Path, proc_root: Path = Path("/proc")) -> bool:
    """Whether a process that this one can see holds the run directory. Read-only: to try the lock could take it from an agent
    that starts at this moment.
    """
    try:
        found = os.stat(_lock_file(run_dir))
        lines = (proc_root / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    held = (line.split() for line in lines)
    return any(words[1] == "FLOCK" and wanted in words for words in held if len(words) > 1)


class RunDirLock:
    """The right to reconcile this node: one process per runDir, held by flock and freed by the kernel at any death."""

    def __init__(self, run_dir: Path) -> None:
        self._path = _lock_file(run_dir)
        self._fd: int | None = None

    def acquire(self, role: str, wait: Callable[[RunDirInUse], bool] = lambda exc: False) -> None:
        """Take it or raise RunDirInUse naming the holder. `role` is what the holder is called in other processes' messages.

        wait: called with the error while another process has it; waits a moment, and says whether to try again.
        """
        while True:
            try:
                self._acquire(role)
                return
            except RunDirInUse as exc:
                if not wait(exc):
                    raise

    def _acquire(self, role: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = open_lock(self._path)
        except PermissionError as exc:
            raise MissingPrivilege(
                f"cannot write the run directory {self._path.parent}",
                hint="run as root, or set runDir to a writable directory",
            ) from exc
        except OSError as exc:
            raise translate_os_error(exc, self._path) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip()
            os.close(fd)
            raise RunDirInUse(
                f"{holder or 'another process'} already reconciles {self._path.parent}",
                hint="stop it, or give this one another runDir and ownerTag",
            ) from exc
        self._fd = fd
        with suppress(OSError):  # such as a full disk: the lock holds, and only its holder's name is missing
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{role} (pid {os.getpid()})".encode(), 0)

    def is_lost(self) -> bool:
        """Whether the lock file was removed or replaced under us: another process could take the new one."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return True
        return self._fd is not None and found.st_ino != os.fstat(self._fd).st_ino

    def release(self) -> None:
        """Give it up; may be called twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def require_store(run_dir: Path, state_dir: Path) -> None:
    """Raise Conflict if the records of this run directory are about Pods of another state directory.

    In another store none of these Pods exists, and all their networks would be detached.
    """
    here, before = str(state_dir.resolve()), _bound_to(run_dir)
    if before not in ("", here) and any((run_dir / "journal").glob("*.json")):
        raise Conflict(
            f"{run_dir} holds attachments of Pods in the state directory {before}, not of {here}",
            hint="name that --state-dir (or its --config), or give this one another runDir and ownerTag",
        )


def bind_store(run_dir: Path, state_dir: Path) -> None:
    """`require_store`, and remember the state directory. The caller holds the lock. Raises what an OSError there means."""
    require_store(run_dir, state_dir)
    here = str(state_dir.resolve())
    if _bound_to(run_dir) != here:
        temporary = _marker(run_dir).with_suffix(".tmp")
        with translated(temporary):
            temporary.write_text(here, encoding="utf-8")
            os.replace(temporary, _marker(run_dir))


def _lock_file(run_dir: Path) -> Path:
    return run_dir / "agent.lock"


def _marker(run_dir: Path) -> Path:
    return run_dir / "state-dir"


def _bound_to(run_dir: Path) -> str:
    try:
        return _marker(run_dir).read_text(encoding="utf-8")
    except OSError:
        return ""
