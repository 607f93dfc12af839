"""Files that others read at any moment: replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["replace_file", "replace_link"]


def replace_file(path: Path, content: bytes, *, mode: int | None = None, like: Path | None = None) -> None:
    """Put `content` at `path` by rename, on disk before it is seen: a node that loses power must not boot without it.

    mode, or mode and owner of the file `like`, hold before anything is written, as there may be secrets in it.
    """
    temporary = _beside(path)
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if like is not None:
            found = os.stat(like)
            mode = stat.S_IMODE(found.st_mode)
        os.fchmod(fd, 0o600 if mode is None else mode)
        if like is not None:
            # Last: the mode of another user's file may be changed only by FOWNER, which the agent has not.
            os.fchown(fd, found.st_uid, found.st_gid)
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(fd)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    _sync_directory(path.parent)


def replace_link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, by rename."""
    temporary = _beside(path)
    temporary.unlink(missing_ok=True)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.secnet-new")


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
