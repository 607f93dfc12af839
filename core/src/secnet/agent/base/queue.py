"""The work queue: one sandbox serially, sandboxes in parallel (docs/architecture.md)."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from secnet.contract import Call

__all__ = ["WorkQueue"]

_log = logging.getLogger(__name__)

_HOLD_POLL_SECONDS = 0.2  # a cancellation wakes no thread that waits for a key


class _Turn:
    """Stands in the queue for a thread that gave way. come: it is to go on."""

    def __init__(self) -> None:
        self.come = threading.Event()


class WorkQueue:
    """Runs `handle(key)` on worker threads, never twice at once for one key.

    A key added while it is handled is handled once more afterwards. `handle` must not raise; if it does, the error is logged
    and the worker goes on, so that one Pod cannot stop the others.
    """

    def __init__(self, handle: Callable[[Hashable], None], workers: int) -> None:
        self._handle = handle
        lock = threading.Lock()
        self._condition, self._freed = threading.Condition(lock), threading.Condition(lock)
        self._due: list[tuple[float, int, Hashable]] = []
        self._when: dict[Hashable, float] = {}
        self._running: dict[Hashable, float] = {}
        self._again: dict[Hashable, float] = {}
        self._order = itertools.count()
        self._timekeeper: object | None = None  # the one worker that waits for a due date; the others sleep
        self._awaited = math.inf  # that date
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """Start the workers. Keys added before wait until now."""
        for thread in self._threads:
            thread.start()

    def add(self, key: Hashable, delay: float = 0.0, *, wake: bool = True) -> None:
        """Handle `key` in `delay` seconds, or earlier if it is already due earlier.

        wake: False from a worker at the end of its own work, which takes the key itself where nothing else is due.
        """
        when = time.monotonic() + delay
        with self._condition:
            if key in self._running:
                self._again[key] = min(when, self._again.get(key, when))
                return
            if self._when.get(key, float("inf")) <= when:
                return
            self._when[key] = when
            heapq.heappush(self._due, (when, next(self._order), key))
            if wake and self._due[0][2] == key:  # the thread that watches the clock waits for a later time
                self._timekeeper = None
                self._condition.notify()

    @contextmanager
    def hold(self, key: Hashable, call: Call) -> Iterator[None]:
        """Do the caller's own work for a key while no worker has it; what is added meanwhile is handled afterwards.

        Raises Timeout or Cancelled when the call ends before the key comes free.
        """
        with self._condition:
            while key in self._running:
                self._freed.wait(call.remaining(_HOLD_POLL_SECONDS))
            call.checkpoint()
            self._running[key] = time.monotonic()
            when = self._when.pop(key, None)
            if when is not None:
                self._again[key] = when
        try:
            yield
        finally:
            self._done(key)

    def give_way(self) -> None:
        """Let what is due now go first: called by a worker between two pieces of a long work for one key.

        This thread waits like a key that is added now, and another one takes its place until its turn comes. So who waits does so
        for one piece of each key before it, and no more keys are worked on at once than there are workers.
        """
        turn = _Turn()
        with self._condition:
            now = time.monotonic()
            if self._stopping or not any(when <= now for when in self._when.values()):
                return
            self._when[turn] = now
            heapq.heappush(self._due, (now, next(self._order), turn))
            thread = threading.Thread(target=self._work, name="worker-in-place", daemon=True)
            self._threads = [*(each for each in self._threads if each.ident is None or each.is_alive()), thread]
        try:
            thread.start()
        except RuntimeError:  # no more threads: it goes on by itself, unless its turn has come meanwhile
            with self._condition:
                self._threads.remove(thread)
                if self._when.pop(turn, None) is not None:
                    return
        turn.come.wait()

    def __len__(self) -> int:
        """Keys waiting or being handled."""
        with self._condition:
            return sum(not isinstance(key, _Turn) for key in self._when) + len(self._running)

    def age(self) -> float:
        """Seconds for which the key that is due for longest has waited for a worker; 0 when none waits."""
        with self._condition:
            return max(0.0, time.monotonic() - min(self._when.values(), default=float("inf")))

    def held(self, seconds: float) -> list[Hashable]:
        """Keys that a worker has handled for longer than this."""
        now = time.monotonic()
        with self._condition:
            return [key for key, since in self._running.items() if now - since > seconds]

    def stop(self, timeout: float) -> bool:
        """Take no more work, let what runs finish; False if something still runs after `timeout` seconds."""
        with self._condition:
            self._stopping = True
            for turn in [key for key in self._when if isinstance(key, _Turn)]:
                del self._when[turn]
                turn.come.set()
            self._condition.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (key := self._next()) is not None:
            if isinstance(key, _Turn):
                key.come.set()
                return  # the thread that waited works in this one's place
            try:
                self._handle(key)
            except BaseException:  # a worker that ends would keep its key running for ever
                _log.exception("a work item failed outside of its own error handling", extra={"key": str(key)})
            self._done(key)

    def _next(self) -> Hashable | None:
        with self._condition:
            while not self._stopping:
                wait = None
                if self._due:
                    when, _, key = self._due[0]
                    wait = when - time.monotonic()
                    if wait <= 0:
                        heapq.heappop(self._due)
                        if self._when.get(key) != when:
                            continue  # an earlier date replaced this entry
                        del self._when[key]
                        if not isinstance(key, _Turn):
                            self._running[key] = time.monotonic()
                        self._hand_over()
                        return key
                self._sleep(wait)
            return None

    def _hand_over(self) -> None:
        """A worker that leaves with a key wakes another one for what is due, or to wait for what will be."""
        if self._due and not self._is_kept():
            self._timekeeper = None
            self._condition.notify()

    def _is_kept(self) -> bool:
        """Whether a worker wakes up in time for what is due first."""
        return self._timekeeper is not None and self._awaited <= self._due[0][0]

    def _sleep(self, wait: float | None) -> None:
        """Until something may be due. One worker alone watches the clock: else each due date would wake all of them."""
        if wait is None or self._is_kept():
            self._condition.wait()
            return
        mine = self._timekeeper = object()
        self._awaited = self._due[0][0]
        self._condition.wait(wait)
        if self._timekeeper is mine:
            self._timekeeper = None

    def _done(self, key: Hashable) -> None:
        with self._condition:
            self._running.pop(key, None)
            again = self._again.pop(key, None)
            self._freed.notify_all()
        if again is not None:
            self.add(key, max(0.0, again - time.monotonic()))
