"""The work queue: serial for a key, parallel across keys."""

import threading
import time
from collections.abc import Callable, Hashable

import pytest
from secnet.agent.base.queue import WorkQueue
from secnet.contract import Call, Cancelled, Timeout


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not reached in 10 s"
        time.sleep(0.005)


def test_a_key_never_runs_twice_at_once_and_is_repeated_when_added_meanwhile() -> None:
    running, overlaps, runs = set[Hashable](), [], []
    lock, gate = threading.Lock(), threading.Event()

    def handle(key: Hashable) -> None:
        with lock:
            if key in running:
                overlaps.append(key)
            running.add(key)
        gate.wait(10)
        with lock:
            running.discard(key)
            runs.append(key)

    queue = WorkQueue(handle, 4)
    queue.start()
    queue.add("a")
    _wait(lambda: "a" in running)
    for _ in range(5):
        queue.add("a")
    gate.set()
    _wait(lambda: len(queue) == 0)
    assert queue.stop(10)
    assert overlaps == []
    assert runs == ["a", "a"]


def test_different_keys_run_in_parallel() -> None:
    barrier = threading.Barrier(3)
    queue = WorkQueue(lambda key: barrier.wait(10) and None, 3)
    for key in "abc":
        queue.add(key)
    queue.start()
    _wait(lambda: len(queue) == 0)
    assert not barrier.broken
    assert queue.stop(10)


def test_an_earlier_date_wins_over_a_later_one() -> None:
    done = threading.Event()
    queue = WorkQueue(lambda key: done.set(), 1)
    queue.start()
    queue.add("a", delay=3600)
    queue.add("a")
    assert done.wait(10)
    assert len(queue) <= 1
    assert queue.stop(10)


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3), KeyboardInterrupt()])
def test_a_failing_item_does_not_stop_the_others(caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    seen = []

    def handle(key: Hashable) -> None:
        if key == "bad":
            raise error
        seen.append(key)

    queue = WorkQueue(handle, 1)
    queue.add("bad")
    queue.add("good")
    queue.start()
    _wait(lambda: seen == ["good"])
    assert queue.stop(10)
    assert "a work item failed" in caplog.text


def test_an_item_that_ended_its_worker_can_be_queued_again() -> None:
    runs = []

    def handle(key: Hashable) -> None:
        runs.append(key)
        if len(runs) == 1:
            raise SystemExit(3)

    queue = WorkQueue(handle, 2)
    queue.start()
    queue.add("a")
    _wait(lambda: runs == ["a"] and len(queue) == 0)
    queue.add("a")
    _wait(lambda: runs == ["a", "a"])
    assert queue.stop(10)


def test_a_key_that_is_held_waits_and_is_handled_afterwards() -> None:
    handled: list[Hashable] = []
    queue = WorkQueue(handled.append, 2)
    queue.start()
    with queue.hold("a", Call.within(10)):
        queue.add("a")
        queue.add("b")
        _wait(lambda: "b" in handled)
        assert "a" not in handled
    _wait(lambda: "a" in handled)
    assert queue.stop(10)


def test_what_was_due_when_a_key_is_taken_is_done_after_it() -> None:
    handled: list[Hashable] = []
    queue = WorkQueue(handled.append, 1)
    queue.add("a")
    with queue.hold("a", Call.within(10)):
        queue.start()
        queue.add("b")
        _wait(lambda: "b" in handled)
        assert handled == ["b"]
    _wait(lambda: handled == ["b", "a"])
    assert queue.stop(10)


def test_no_one_waits_for_a_key_beyond_his_deadline_or_cancellation() -> None:
    started, gate = threading.Event(), threading.Event()

    def handle(key: Hashable) -> None:
        started.set()
        gate.wait(10)

    queue = WorkQueue(handle, 1)
    queue.add("a")
    queue.start()
    assert started.wait(10)
    with pytest.raises(Timeout), queue.hold("a", Call.within(0.01)):
        pass
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled), queue.hold("a", Call.within(10, cancel=cancel)):
        pass
    gate.set()
    assert queue.stop(10)


def test_it_tells_how_long_a_key_has_waited() -> None:
    gate, begun = threading.Event(), threading.Event()

    def handle(key: Hashable) -> None:
        begun.set()
        gate.wait(10)

    queue = WorkQueue(handle, 1)
    assert queue.age() == 0
    queue.add("later", 60)
    assert queue.age() == 0, "not due yet"
    queue.start()
    queue.add("a")
    assert begun.wait(10)
    queue.add("b")
    _wait(lambda: queue.age() > 0)
    gate.set()
    _wait(lambda: queue.age() == 0)
    assert queue.stop(10)


class Hanging:
    """Handles keys; those that begin with `hang` come to no end before they may. `kind` of a key is what stands before `-`."""

    def __init__(self, workers: int) -> None:
        self.gate = threading.Event()
        self.begun: list[Hashable] = []
        self.done: list[Hashable] = []
        self.queue = WorkQueue(self.handle, workers, self.kind)

    @staticmethod
    def kind(key: Hashable) -> Hashable:
        return str(key).partition("-")[0]

    def handle(self, key: Hashable) -> None:
        self.begun.append(key)
        if str(key).startswith("hang"):
            self.gate.wait(30)
        self.done.append(key)


def test_keys_of_one_kind_that_hang_let_those_of_another_through() -> None:
    hanging = Hanging(2)
    hanging.queue.start()
    for key in ("hang-1", "hang-2", "hang-3"):
        hanging.queue.add(key)
    _wait(lambda: len(hanging.begun) == 2)
    for key in ("good-1", "good-2"):
        hanging.queue.add(key)
    _wait(lambda: sorted(map(str, hanging.done)) == ["good-1", "good-2"])
    assert "hang-3" not in hanging.begun
    hanging.gate.set()
    _wait(lambda: len(hanging.done) == 5)
    assert hanging.queue.stop(10)


def test_a_worker_that_hangs_is_replaced_and_ends_after_its_return() -> None:
    hanging = Hanging(1)
    hanging.queue.start()
    hanging.queue.add("hang-1")
    _wait(lambda: hanging.begun == ["hang-1"])
    hanging.queue.add("hang-2")
    hanging.queue.replace("hang-1")
    _wait(lambda: hanging.begun == ["hang-1", "hang-2"])
    hanging.queue.replace("hang-1")
    hanging.queue.add("hang-3")
    hanging.queue.add("hang-1")
    assert hanging.begun == ["hang-1", "hang-2"], "one in its place, and the key is not worked on twice at once"
    before = threading.active_count()
    hanging.gate.set()
    _wait(lambda: len(hanging.done) == 4)
    _wait(lambda: threading.active_count() == before - 1)
    assert hanging.queue.stop(10)


def test_the_end_does_not_wait_for_workers_that_were_replaced() -> None:
    hanging = Hanging(1)
    hanging.queue.start()
    hanging.queue.add("hang-1")
    _wait(lambda: hanging.begun == ["hang-1"])
    hanging.queue.replace("hang-1")
    assert not hanging.queue.stop(3600), "it says that something still runs"
    hanging.gate.set()


def test_a_key_that_becomes_of_another_kind_is_worked_on_by_its_workers() -> None:
    """Pods may be listed before the networks that say of which kind they are."""
    kinds, seen = {"a": "unknown"}, list[Hashable]()

    def handle(key: Hashable) -> None:
        seen.append(key)
        if key == "blocks":
            blocked.set()
            gate.wait(10)

    gate, blocked = threading.Event(), threading.Event()
    queue = WorkQueue(handle, 1, lambda key: kinds.get(str(key), "new"))
    queue.add("a")
    queue.add("blocks")
    kinds["a"] = "new"
    queue.start()
    assert blocked.wait(10)
    assert seen == ["blocks"], "the worker of its first kind left it alone"
    gate.set()
    _wait(lambda: seen == ["blocks", "a"])
    assert queue.stop(10)


def test_what_is_kept_for_another_kind_wakes_a_worker_of_that() -> None:
    done: list[Hashable] = []

    def handle(key: Hashable) -> None:
        if key == "one-1":
            queue.add("two-1", wake=False)
        done.append(key)

    queue = WorkQueue(handle, 1, Hanging.kind)
    queue.start()
    queue.add("two-0")
    _wait(lambda: done == ["two-0"])
    queue.add("one-1")
    _wait(lambda: done == ["two-0", "one-1", "two-1"])
    assert queue.stop(10)


def _someone_watches_the_clock(queue: WorkQueue) -> bool:
    return any(lane.timekeeper is not None for lane in queue._lanes.values())


def test_an_earlier_date_is_kept_while_everybody_waits_for_a_later_one() -> None:
    done: list[Hashable] = []
    queue = WorkQueue(done.append, 3)
    queue.start()
    queue.add("late", 60)
    _wait(lambda: _someone_watches_the_clock(queue))
    queue.add("soon", 0.05)
    _wait(lambda: done == ["soon"])
    queue.add("now")
    _wait(lambda: done == ["soon", "now"])
    assert queue.stop(10)


def test_each_of_many_dates_is_kept() -> None:
    done: list[Hashable] = []
    queue = WorkQueue(done.append, 4)
    queue.start()
    for number in range(50):
        queue.add(number, (number * 7 % 50) * 0.004)
    _wait(lambda: len(done) == 50)
    assert queue.stop(10)


def test_what_comes_behind_something_kept_is_taken_by_another_worker() -> None:
    gate, done = threading.Event(), list[Hashable]()

    def handle(key: Hashable) -> None:
        if key == "first":
            _wait(lambda: _someone_watches_the_clock(queue))  # the other worker sleeps until `far`
            queue.add("kept", wake=False)
            queue.add("behind")
        elif key == "kept":
            gate.wait(10)
        done.append(key)

    queue = WorkQueue(handle, 2)
    queue.start()
    queue.add("far", 3600)
    queue.add("first")
    try:
        _wait(lambda: done == ["first", "behind"])
    finally:
        gate.set()
        assert queue.stop(10)


def test_what_a_worker_keeps_for_itself_is_done_at_once() -> None:
    done: list[Hashable] = []

    def handle(key: Hashable) -> None:
        done.append(key)
        if key != 3:
            queue.add(len(done), wake=False)

    queue = WorkQueue(handle, 2)
    queue.start()
    queue.add(0)
    _wait(lambda: done == [0, 1, 2, 3])
    assert queue.stop(10)


def test_a_retry_behind_something_kept_is_not_late() -> None:
    """As a check that fails, with the next one kept, while another key waits for longer."""
    seen: list[tuple[Hashable, bool]] = []

    def handle(key: Hashable) -> None:
        if key == "first" and not seen:
            _wait(lambda: _someone_watches_the_clock(queue))  # the other worker sleeps until `far`
            queue.add("first", 0.1)
            queue.add("kept", wake=False)
        seen.append((key, far.is_set()))
        if key == "far":
            far.set()

    far = threading.Event()
    queue = WorkQueue(handle, 2)
    queue.start()
    queue.add("far", 3)
    queue.add("first")
    _wait(lambda: len(seen) == 4)
    assert queue.stop(10)
    assert seen == [("first", False), ("kept", False), ("first", False), ("far", False)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_key_that_comes_within_a_long_work_waits_for_one_piece_of_it(workers: int) -> None:
    """As many long works as there are workers: no other worker would be left to take the key."""
    done: list[Hashable] = []
    lock = threading.Lock()

    def handle(key: Hashable) -> None:
        if not str(key).startswith("long"):
            with lock:
                done.append(key)
            return
        for piece in range(10):
            if piece:
                queue.give_way()
            with lock:
                if piece == 4:
                    queue.add(f"short {key}")
                done.append((key, piece))

    queue = WorkQueue(handle, workers)
    for number in range(workers):
        queue.add(f"long {number}")
    queue.start()
    _wait(lambda: len(queue) == 0)
    for number in range(workers):
        added = done.index((f"long {number}", 4))
        between = done[added + 1 : done.index(f"short long {number}")]
        assert len(between) < 2 * workers, "of each long work at most the piece under way, and one more"
        assert [each for each in done if each[0] == f"long {number}"] == [(f"long {number}", n) for n in range(10)]
    assert queue.stop(10)


def test_long_works_take_turns_by_the_order_in_which_they_gave_way() -> None:
    done: list[Hashable] = []

    def handle(key: Hashable) -> None:
        for piece in range(3):
            if piece:
                queue.give_way()
            done.append(key)

    queue = WorkQueue(handle, 1)
    for key in "abc":
        queue.add(key)
    queue.start()
    _wait(lambda: len(queue) == 0)
    assert "".join(map(str, done)) == "abcabcabc"
    assert queue.stop(10)


def test_giving_way_makes_no_more_workers_and_leaves_no_thread() -> None:
    lock, at_once, most = threading.Lock(), 0, 0
    threads = threading.active_count()

    def handle(key: Hashable) -> None:
        nonlocal at_once, most
        for piece in range(5):
            if piece:
                queue.give_way()
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.001)  # so that two would meet
            with lock:
                at_once -= 1

    queue = WorkQueue(handle, 2)
    for number in range(30):
        queue.add(number)
    queue.start()
    _wait(lambda: len(queue) == 0)
    assert most <= 2
    assert queue.stop(10)
    _wait(lambda: threading.active_count() == threads)


def test_who_gave_way_goes_on_when_the_queue_stops() -> None:
    gave_way, release, ended = threading.Event(), threading.Event(), threading.Event()

    def handle(key: Hashable) -> None:
        if key == "short":
            gave_way.set()
            release.wait(10)
            return
        queue.add("short")
        queue.give_way()
        ended.set()

    queue = WorkQueue(handle, 1)
    queue.add("long")
    queue.start()
    assert gave_way.wait(10)
    assert not queue.stop(0)
    assert ended.wait(10)
    release.set()
    assert queue.stop(10)


def test_without_a_key_that_waits_no_thread_gives_way() -> None:
    threads: list[str] = []

    def handle(key: Hashable) -> None:
        queue.add("later", delay=3600)
        queue.give_way()
        threads.extend(thread.name for thread in threading.enumerate())

    queue = WorkQueue(handle, 1)
    queue.add("long")
    queue.start()
    _wait(lambda: bool(threads))
    assert "worker-in-place" not in threads
    assert queue.stop(10)


def test_without_more_threads_a_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def handle(key: Hashable) -> None:
        done.append(key)
        if key == "long":
            queue.add("short")
            # The limit of threads is the whole machine's: a test cannot lower it for itself alone.
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", no_thread)
                queue.give_way()
            done.append("long again")

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    queue = WorkQueue(handle, 1)
    queue.add("long")
    queue.start()
    _wait(lambda: len(queue) == 0)
    assert done == ["long", "long again", "short"]
    assert queue.stop(10)
