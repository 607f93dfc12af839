"""What the operating system's errors on files mean in the language of the contract."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secnet.contract import InvalidConfig, MissingPrivilege, SecnetError, Unavailable

__all__ = ["translate_os_error", "translated"]

_ERRORS: dict[int, tuple[type[SecnetError], str]] = {
    errno.EACCES: (MissingPrivilege, "run as root, or name a directory that this user may use"),
    errno.EPERM: (MissingPrivilege, "run as root, or name a directory that this user may use"),
    errno.EROFS: (MissingPrivilege, "name a directory on a file system that is mounted writable"),
    errno.ENOTDIR: (InvalidConfig, "a part of the path is a file: name a directory"),
    errno.ELOOP: (InvalidConfig, "its symbolic links form a loop: correct them"),
    errno.ENAMETOOLONG: (InvalidConfig, "use a shorter path"),
    errno.EISDIR: (InvalidConfig, "a directory stands where a file must be: remove it"),
    errno.ENOENT: (Unavailable, "make sure that it exists"),
    errno.ENOSPC: (Unavailable, "free some space"),
    errno.EDQUOT: (Unavailable, "free some space, or raise the quota"),
    errno.EMFILE: (Unavailable, "raise the limit of open files"),
    errno.ENFILE: (Unavailable, "raise the limit of open files"),
    errno.EIO: (Unavailable, "look for disk errors in the kernel's log"),
}


def translate_os_error(exc: OSError, path: Path) -> SecnetError:
    """The error of the contract that an operating-system error on a file stands for; an unlisted one is Unavailable."""
    cls, hint = _ERRORS.get(exc.errno or 0, (Unavailable, "see the system's message, and try again"))
    return cls(
        exc.strerror or str(exc), hint=hint, subject=exc.filename if isinstance(exc.filename, str) else str(path)
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what `translate_os_error` makes of an OSError in its place."""
    try:
        yield
    except OSError as exc:
        raise translate_os_error(exc, path) from exc
