"""The cgroups of a node, of either version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..runtime.daemon import CGROUPS

__all__ = ["cgroups_below", "hierarchies", "remove_cgroups"]


def hierarchies() -> list[Path]:
    """Where a cgroup of the node has to be: once with version 2, once for each controller with version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and path.name != "unified"]


def cgroups_below(prefix: str) -> Iterator[str]:
    """The names of the topmost cgroups that begin with a prefix."""
    yield from sorted({path.name for hierarchy in hierarchies() for path in hierarchy.glob(f"{prefix}*")})


def remove_cgroups(name: str) -> None:
    """Remove a node's cgroup with all below it. One with a process that is ending stays."""
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
