"""How long to wait before the next attempt of something that goes on for as long as the agent runs."""

from __future__ import annotations

import random

__all__ = ["Backoff"]

_FIRST, _LAST = 0.5, 15.0


class Backoff:
    """Doubling delays, each shortened by up to a half, so that a thousand agents do not come back in step."""

    def __init__(self, first: float = _FIRST, last: float = _LAST) -> None:
        self._first = first
        self._last = last
        self._next = first

    def reset(self) -> None:
        """It went well: the next delay is the first again."""
        self._next = self._first

    def delay(self) -> float:
        """Seconds to wait now."""
        delay, self._next = self._next, min(self._last, self._next * 2)
        return delay * (1 - random.random() / 2)
