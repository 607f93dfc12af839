"""Exclusive resources (a PCI address) between the threads of one agent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from secnet.contract import Busy, Call

__all__ = ["KeyLocks"]

_POLL_SECONDS = 0.05


class KeyLocks:
    """Locks by name, taken in sorted order so that two callers cannot wait for each other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, keys: tuple[str, ...], call: Call) -> Iterator[None]:
        """Hold all keys. Raises Busy, Timeout or Cancelled when they do not come free in the call's time."""
        with ExitStack() as stack:
            for key in sorted(set(keys)):
                stack.enter_context(self._hold_one(key, call))
            yield

    @contextmanager
    def _hold_one(self, key: str, call: Call) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, users + 1)
        try:
            while not lock.acquire(timeout=call.remaining(_POLL_SECONDS)):
                if call.deadline is None:
                    raise Busy(f"{key} is in use by another attachment")
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                lock, users = self._locks[key]
                if users == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (lock, users - 1)
