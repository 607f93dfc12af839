"""What is wrong with an object, as data: found by one reader, used for messages offline and for errors at run time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PoolFinding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFinding:
    """One thing that is wrong with an IPPool.

    path: JSON path in the object. hint: what to do.
    fatal: the pool cannot be used until it is corrected; otherwise only the part at `path` is ignored.
    """

    path: str
    message: str
    hint: str
    fatal: bool = True
