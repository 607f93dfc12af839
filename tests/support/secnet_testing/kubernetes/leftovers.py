"""What is left of a cluster whose test run was killed: its processes end with the run, its folder and namespaces do not."""

from __future__ import annotations

import fcntl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from secnet_conformance.netns import Namespace, remove_namespace

from ..runtime.daemon import remove_folder
from .cgroups import cgroups_below, remove_cgroups

__all__ = ["claimed_folder", "remove_leftovers"]

_PREFIX = "sn-kube-"
_LOCK = "lock"
_NAMESPACES = Path("/run/netns")


def claimed_folder(name: str) -> tuple[Path, TextIO]:
    """A new folder for a cluster whose namespaces have names that begin with `name`. It is in use as long as the file is open.

    Its path is short, as sockets lie below it.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = (folder / _LOCK).open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write(name)
    lock.flush()
    return folder, lock


def remove_leftovers() -> None:
    """Remove what clusters that are no longer in use have left on this machine."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        # Another process may be using it, or removing it at this moment.
        with suppress(FileNotFoundError, BlockingIOError), path.open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and (name := lock.read()):
                _remove(name, path.parent)


def _remove(name: str, folder: Path) -> None:
    for namespace in _NAMESPACES.glob(f"{name}-*"):
        remove_namespace(Namespace(name=namespace.name))
    for cgroup in cgroups_below(f"{name}-"):
        remove_cgroups(cgroup)
    remove_folder(folder)
