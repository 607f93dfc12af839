"""Lock files that only their owner may open, and directories that only their owner may enter.

Who may open a file, if only for reading, may lock it with flock, and so stop everyone who waits for that lock.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["make_private", "open_lock"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_lock(path: Path, *, create: bool = True) -> int:
    """A descriptor of a lock file, mode 0600; one that others may open, as older versions made it, is closed to them.

    create: make the file where there is none; else it is opened for reading. Raises OSError.
    """
    if create:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    else:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError):  # another user's file, or a file system that is mounted read-only: it stays as it is
        if os.fstat(fd).st_mode & _OTHERS:
            os.fchmod(fd, 0o600)
    return fd


def make_private(directory: Path) -> None:
    """Make a directory with mode 0700; one that others may enter is closed to them. Raises OSError.

    For a directory in one that the configuration names. That one is made too where it is missing, with the same mode, but is
    left as it is otherwise: others may have a use for it.
    """
    with suppress(FileExistsError):  # a file stands there: said by the next line, in the system's own words
        directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.mkdir(exist_ok=True, mode=0o700)
    with suppress(OSError):
        mode = stat.S_IMODE(os.stat(directory).st_mode)
        if mode & _OTHERS:
            os.chmod(directory, mode & ~_OTHERS)
