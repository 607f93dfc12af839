"""Whether another writer takes the entry out as soon as it is in: two writers must not chase each other."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..base.backoff import Backoff

__all__ = ["Rewrites"]

_TRIAL_SECONDS = 2.0  # an owner that answers our write does so within less
_STEADY_SECONDS = 10.0  # an entry that stood as long was taken out by a program that goes its own pace
_AT_ONCE = 3
_BACKOFF = Backoff(1.0, 60.0, jitter=0)


class Rewrites:
    """Counts how often in a row the entry was written and did not last. For one thread.

    An owner that writes its file now and then, such as when it starts, gets the entry again at once, however often. One that
    answers each of our writes gets it with a growing back-off.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: float | None = None
        self._short = 0

    @property
    def is_contest(self) -> bool:
        """Whether the entry is written with a back-off."""
        return self._short > _AT_ONCE

    def missing(self) -> float:
        """The entry is not there: seconds to wait before it may be written; 0 for now."""
        if self._written is None:
            return 0.0
        now = self._clock()
        if now - self._written >= _STEADY_SECONDS + self._pause():
            self._short = 0
        return max(0.0, self._written + self._pause() - now)

    def wrote(self) -> None:
        """It was written again."""
        now = self._clock()
        if self._written is not None:
            steady = now - self._written >= _STEADY_SECONDS + self._pause()
            self._short = 0 if steady else self._short + 1
        self._written = now

    def stands(self) -> None:
        """It is there."""
        if self._written is not None and self._clock() - self._written >= _STEADY_SECONDS:
            self._short = 0

    def trial(self) -> float:
        """Seconds until an entry that was written last, and still stands, was left in by its owner; 0 once it was."""
        return 0.0 if self._written is None else max(0.0, self._written + _TRIAL_SECONDS - self._clock())

    def _pause(self) -> float:
        return _BACKOFF.after(self._short - _AT_ONCE) if self.is_contest else 0.0
