"""Things that are due now and then, each by itself."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable

__all__ = ["IntervalLimiter"]


class IntervalLimiter:
    """Says for each key when it is due again: at once, and then after `seconds`, shortened by up to a third so that keys that
    began together spread out. Thread-safe.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[Hashable, float] = {}

    def is_due(self, key: Hashable) -> bool:
        """Whether it is; if so, the interval starts again."""
        now = self._clock()
        with self._lock:
            if now < self._due.get(key, now):
                return False
            self._due[key] = now + self._seconds * random.uniform(2 / 3, 1)
            return True

    def forget(self, key: Hashable) -> None:
        """It is not there any more."""
        with self._lock:
            self._due.pop(key, None)
