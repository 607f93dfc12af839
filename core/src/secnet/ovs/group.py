"""Changes that meet go to the server together.

ovs-vswitchd visits every port of a bridge after each transaction, so a burst of single ones costs it quadratic time. While one
transaction is under way the next ones queue up, and the next transaction carries them all; no change waits for others to join.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ovsdbapp import exceptions

__all__ = ["GroupCommit"]

Make = Callable[[Any], Any]

_LARGEST = 32


@dataclass(slots=True, eq=False)
class _Item:
    make: Make
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Shares transactions between threads.

    run: carries out several commands in one transaction within a number of seconds; all or none; returns their results.
    """

    def __init__(self, run: Callable[[Sequence[Make], float], list[Any]]) -> None:
        self._run = run
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._queue: list[_Item] = []

    def commit(self, make: Make, limit: float) -> Any:
        """Run one command, perhaps with others; its result, or the error that it deserves by itself.

        Raises the library's TimeoutException after `limit` seconds: it then may still happen.
        """
        item = _Item(make)
        with self._guard:
            self._queue.append(item)
        if not self._turn.acquire(timeout=limit):
            with self._guard:
                if item in self._queue:
                    self._queue.remove(item)
            raise exceptions.TimeoutException(commands=make, timeout=limit, cause="waiting for a turn")
        try:
            while not item.done:  # else the one before us carried it
                self._carry(limit)
        finally:
            self._turn.release()
        if item.error is not None:
            raise item.error
        return item.result

    def _carry(self, limit: float) -> None:
        with self._guard:
            batch, self._queue = self._queue[:_LARGEST], self._queue[_LARGEST:]
        try:
            for item, result in zip(batch, self._run([item.make for item in batch], limit), strict=True):
                item.result = result
        except exceptions.TimeoutException as exc:
            _fail(batch, exc)
        except Exception as exc:
            if len(batch) == 1:
                _fail(batch, exc)
            else:
                self._one_by_one(batch, limit)
        finally:
            for item in batch:
                item.done = True

    def _one_by_one(self, batch: Sequence[_Item], limit: float) -> None:
        """One of them was refused and took the others down with it: each gets what it deserves by itself."""
        for item in batch:
            try:
                item.result = self._run([item.make], limit)[0]
            except Exception as exc:
                item.error = exc


def _fail(batch: Sequence[_Item], error: BaseException) -> None:
    for item in batch:
        item.error = error
