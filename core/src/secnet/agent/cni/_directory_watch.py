"""Directories whose files other programs write: who waits is woken at once when one was written, made, moved or removed."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
from collections.abc import Iterable
from pathlib import Path

__all__ = ["DirectoryWatch"]

_log = logging.getLogger(__name__)

_libc = ctypes.CDLL(None, use_errno=True)

# inotify(7). A file that is still open for writing is of no interest: CLOSE_WRITE tells of its end.
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x8, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_ATTRIB, _ONLYDIR = 0x4, 0x01000000
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ATTRIB | _ONLYDIR
_BUFFER = 64 * 1024

_LIMITS = {errno.ENOSPC: "fs.inotify.max_user_watches", errno.EMFILE: "fs.inotify.max_user_instances"}


class DirectoryWatch:
    """Of these directories, which need not exist yet. One thread waits; `wake` may be called by any.

    Where the kernel gives no inotify instance, `wait` only sleeps, and what it gives no watch for is not seen; `works` says so.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._inotify = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK) if self._folders else -1
        self._unwatched: set[Path] = set()
        if self._folders and self._inotify < 0:
            _warn(self._folders, ctypes.get_errno())
        self.begin()

    @property
    def works(self) -> bool:
        """Whether `wait` ends at a change, of each directory that exists."""
        return self._inotify >= 0 and not self._unwatched

    def begin(self) -> None:
        """Watch those directories that are there: what changes in them from now on ends the next `wait`.

        Idempotent, and a directory that was replaced is watched as it is now.
        """
        for folder in self._folders if self._inotify >= 0 else ():
            watched = _libc.inotify_add_watch(self._inotify, os.fsencode(folder), _MASK) >= 0
            number = 0 if watched else ctypes.get_errno()
            if number in (0, errno.ENOENT, errno.ENOTDIR):
                self._unwatched.discard(folder)
            elif folder not in self._unwatched:
                self._unwatched.add(folder)
                _warn([folder], number)

    def wait(self, seconds: float) -> bool:
        """Until a change, `wake`, or for so many seconds; whether it was one of the first two. What happened before counts."""
        self.begin()
        readers = [self._event, *([self._inotify] if self._inotify >= 0 else [])]
        ready, _, _ = select.select(readers, [], [], max(0.0, seconds))
        for descriptor in ready:
            try:
                os.read(descriptor, _BUFFER)
            except BlockingIOError:
                continue
        return bool(ready)

    def wake(self) -> None:
        """End the `wait` of now, or the next one. Nothing after `close`."""
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Not while a thread waits."""
        for descriptor in (self._event, self._inotify):
            if descriptor >= 0:
                os.close(descriptor)
        self._event = self._inotify = -1


def _warn(folders: Iterable[Path], number: int) -> None:
    limit = _LIMITS.get(number)
    remedy = f"; raise the sysctl {limit} of the node" if limit else ""
    _log.warning(
        "changes of %s are seen late: inotify: %s%s", ", ".join(map(str, folders)), os.strerror(number), remedy
    )
