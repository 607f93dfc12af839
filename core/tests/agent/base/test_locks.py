"""Exclusive resources between threads."""

from __future__ import annotations

import threading

import pytest
from secnet.agent.base.locks import KeyLocks
from secnet.contract import Busy, Call, Cancelled, Timeout


def test_what_is_held_is_refused_within_the_calls_time() -> None:
    locks = KeyLocks()
    with locks.hold(("a", "b"), Call.within(5)):
        with pytest.raises(Timeout), locks.hold(("b",), Call.within(0.05)):
            raise AssertionError("it was held twice")
        with pytest.raises(Busy, match="b is in use"), locks.hold(("b",), Call()):
            raise AssertionError("it was held twice")
        with locks.hold(("c",), Call.within(5)):
            pass
    with locks.hold(("a", "b"), Call.within(5)):
        pass


def test_a_cancelled_call_does_not_wait() -> None:
    locks, cancel = KeyLocks(), threading.Event()
    cancel.set()
    with (
        locks.hold(("a",), Call.within(5)),
        pytest.raises(Cancelled),
        locks.hold(("a",), Call.within(60, cancel=cancel)),
    ):
        raise AssertionError("it was held twice")


def test_two_that_name_the_same_locks_in_another_order_do_not_wait_for_each_other() -> None:
    locks, done = KeyLocks(), []

    def work(keys: tuple[str, ...]) -> None:
        for _ in range(50):
            with locks.hold(keys, Call.within(30)):
                pass
        done.append(keys)

    threads = [threading.Thread(target=work, args=(keys,)) for keys in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 2


def test_a_failure_gives_back_what_was_taken_before() -> None:
    locks = KeyLocks()
    with locks.hold(("b",), Call.within(5)), pytest.raises(Timeout), locks.hold(("a", "b"), Call.within(0.05)):
        raise AssertionError("it was held twice")
    with locks.hold(("a", "b"), Call.within(5)):
        pass
