"""The file names of objects."""

from __future__ import annotations

import hashlib
import re

__all__ = ["file_name", "is_old_hash"]

_PLAIN = re.compile(r"[a-z0-9][-.a-z0-9]{0,199}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


def file_name(name: str) -> str:
    """The name itself; a hash for what is too long for a file, or could leave the directory. `~` begins no name of an object, so
    no other object has that file."""
    return name if _PLAIN.match(name) else f"~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_old_hash(stem: str) -> bool:
    """Whether an earlier version may have named a file so instead of by the object's name, which may look the same."""
    return _HASH.match(stem) is not None
