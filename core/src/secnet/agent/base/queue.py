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


class _Lane:
    """Keys of one kind, and the workers that they have for themselves. The queue's lock guards it.

    workers: those that work, or could; replaced ones are left out.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.condition = threading.Condition(lock)
        self.due: list[tuple[float, int, Hashable]] = []
        self.workers: list[threading.Thread] = []
        self.timekeeper: object | None = None  # the one worker that waits for a due date; the others sleep
        self._awaited = math.inf  # that date

    def push(self, when: float, order: int, key: Hashable, *, wake: bool) -> None:
        """Put a key among the due ones. wake: wake a worker if it is the first of them."""
        heapq.heappush(self.due, (when, order, key))
        if wake and self.due[0][2] == key:  # the thread that watches the clock waits for a later time
            self.timekeeper = None
            self.condition.notify()

    def hand_over(self) -> None:
        """A worker that leaves with a key wakes another one for what is due, or to wait for what will be."""
        if self.due and not self._is_kept():
            self.timekeeper = None
            self.condition.notify()

    def _is_kept(self) -> bool:
        """Whether a worker wakes up in time for what is due first."""
        return self.timekeeper is not None and self._awaited <= self.due[0][0]

    def sleep(self, wait: float | None) -> None:
        """Until something may be due. One worker alone watches the clock: else each due date would wake all of them."""
        if wait is None or self._is_kept():
            self.condition.wait()
            return
        mine = self.timekeeper = object()
        self._awaited = self.due[0][0]
        self.condition.wait(wait)
        if self.timekeeper is mine:
            self.timekeeper = None


class WorkQueue:
    """Runs `handle(key)` on worker threads, never twice at once for one key.

    A key added while it is handled is handled once more afterwards. `handle` must not raise; if it does, the error is logged
    and the worker goes on, so that one Pod cannot stop the others.

    lane: of what kind a key is, asked when it is added and when its turn comes; may not raise. Each kind has `workers` threads of
    its own from its first key on, so that keys of one kind that take for ever let those of the others through.
    """

    def __init__(
        self, handle: Callable[[Hashable], None], workers: int, lane: Callable[[Hashable], Hashable] = lambda key: None
    ) -> None:
        self._handle = handle
        self._count = workers
        self._lane_of = lane
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._lanes: dict[Hashable, _Lane] = {}
        self._when: dict[Hashable, tuple[float, _Lane]] = {}
        self._running: dict[Hashable, threading.Thread | None] = {}  # None: held
        self._again: dict[Hashable, float] = {}
        self._order = itertools.count()
        self._started = self._stopping = False
        self._replaced: set[threading.Thread] = set()

    def start(self) -> None:
        """Start the workers. Keys added before wait until now."""
        with self._lock:
            self._started = True
            for lane in self._lanes.values():
                self._man(lane)

    def add(self, key: Hashable, delay: float = 0.0, *, wake: bool = True) -> None:
        """Handle `key` in `delay` seconds, or earlier if it is already due earlier.

        wake: False from a worker at the end of its own work, which takes the key itself where nothing else is due, if it is of
        its own kind.
        """
        when, kind = time.monotonic() + delay, self._lane_of(key)
        with self._lock:
            if key in self._running:
                self._again[key] = min(when, self._again.get(key, when))
                return
            lane = self._lane(kind)
            before, its_lane = self._when.get(key, (math.inf, lane))
            if before <= when and its_lane is lane:
                return
            when = min(before, when)
            self._when[key] = (when, lane)
            lane.push(when, next(self._order), key, wake=wake or threading.current_thread() not in lane.workers)

    @contextmanager
    def hold(self, key: Hashable, call: Call) -> Iterator[None]:
        """Do the caller's own work for a key while no worker has it; what is added meanwhile is handled afterwards.

        Raises Timeout or Cancelled when the call ends before the key comes free.
        """
        with self._lock:
            while key in self._running:
                self._freed.wait(call.remaining(_HOLD_POLL_SECONDS))
            call.checkpoint()
            self._running[key] = None
            queued = self._when.pop(key, None)
            if queued is not None:
                self._again[key] = queued[0]
        try:
            yield
        finally:
            self._done(key)

    def replace(self, key: Hashable) -> None:
        """The worker that has this key may never return: another one takes its place, and it ends when it does return."""
        with self._lock:
            thread = self._running.get(key)
            lane = next((each for each in self._lanes.values() if thread in each.workers), None)
            if thread is None or lane is None or self._stopping:
                return
            lane.workers.remove(thread)
            self._replaced.add(thread)
            self._man(lane)

    def __len__(self) -> int:
        """Keys waiting or being handled."""
        with self._lock:
            return len(self._when) + len(self._running)

    def age(self) -> float:
        """Seconds for which the key that is due for longest has waited for a worker; 0 when none waits."""
        with self._lock:
            first = min((when for when, _ in self._when.values()), default=math.inf)
            return max(0.0, time.monotonic() - first)

    def stop(self, timeout: float) -> bool:
        """Take no more work, let what runs finish; False if something still runs after `timeout` seconds.

        Workers that were replaced are not waited for.
        """
        with self._lock:
            self._stopping = True
            threads = [thread for lane in self._lanes.values() for thread in lane.workers]
            replaced = tuple(self._replaced)
            for lane in self._lanes.values():
                lane.condition.notify_all()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in (*threads, *replaced))

    def _lane(self, kind: Hashable) -> _Lane:
        if kind not in self._lanes:
            self._lanes[kind] = _Lane(self._lock)
            if self._started:
                self._man(self._lanes[kind])
        return self._lanes[kind]

    def _man(self, lane: _Lane) -> None:
        """Start the workers that a kind lacks."""
        while len(lane.workers) < self._count and not self._stopping:
            thread = threading.Thread(target=self._work, args=(lane,), name="worker", daemon=True)
            thread.start()
            lane.workers.append(thread)

    def _work(self, lane: _Lane) -> None:
        while (key := self._next(lane)) is not None:
            if self._lanes.get(self._lane_of(key)) is not lane:  # it has become of another kind since it was added
                self._pass_on(key)
                continue
            try:
                self._handle(key)
            except BaseException:  # a worker that ends would keep its key running for ever
                _log.exception("a work item failed outside of its own error handling", extra={"key": str(key)})
            self._done(key)

    def _next(self, lane: _Lane) -> Hashable | None:
        """What to do next; None for a worker that is not needed any more."""
        mine = threading.current_thread()
        with self._lock:
            if mine in self._replaced:
                self._replaced.discard(mine)
                lane.hand_over()
                return None
            while not self._stopping:
                wait = None
                if lane.due:
                    when, _, key = lane.due[0]
                    wait = when - time.monotonic()
                    if wait <= 0:
                        heapq.heappop(lane.due)
                        if self._when.get(key) != (when, lane):
                            continue  # an earlier date, or another kind, replaced this entry
                        del self._when[key]
                        self._running[key] = mine
                        lane.hand_over()
                        return key
                lane.sleep(wait)
            return None

    def _pass_on(self, key: Hashable) -> None:
        now = time.monotonic()
        with self._lock:
            self._again[key] = min(now, self._again.get(key, now))
        self._done(key)

    def _done(self, key: Hashable) -> None:
        with self._lock:
            self._running.pop(key, None)
            again = self._again.pop(key, None)
            self._freed.notify_all()
        if again is not None:
            self.add(key, max(0.0, again - time.monotonic()))
