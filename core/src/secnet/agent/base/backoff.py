"""How long to wait before the next attempt: every growing delay of the agent is one of these."""

from __future__ import annotations

import random

__all__ = ["Backoff"]

_LARGEST_EXPONENT = 64  # far beyond every `last`, and far from where a float overflows


class Backoff:
    """Delays in seconds: `first`, then `factor` times as long each time, up to `last`.

    jitter: the share by which a delay may be shorter, at random, so that a thousand agents do not come back in step; 0 for none.
    Counts the failures of one thing by `delay` and `reset`. `after` counts nothing, for one object that serves many things.
    """

    def __init__(self, first: float = 0.5, last: float = 15.0, *, factor: float = 2.0, jitter: float = 0.5) -> None:
        self._first = first
        self._last = last
        self._factor = factor
        self._jitter = jitter
        self._failures = 0

    def reset(self) -> None:
        """It went well: the next delay is the first again."""
        self._failures = 0

    def delay(self) -> float:
        """Seconds to wait now, after one more failure."""
        self._failures += 1
        return self.after(self._failures)

    def after(self, failures: int, rng: random.Random | None = None) -> float:
        """Seconds to wait after so many failures in a row, of which there is at least one."""
        full = min(self._last, self._first * self._factor ** min(failures - 1, _LARGEST_EXPONENT))
        return full * (1 - self._jitter * (rng or random).random()) if self._jitter else full
