"""Whether Multus serves this node, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MultusState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultusState:
    """serves: whether networks are left to Multus. away: why it calls for none now although they are, in words; empty while it
    is configured. remedy: what to do about that."""

    serves: bool = False
    away: str = ""
    remedy: str = ""
