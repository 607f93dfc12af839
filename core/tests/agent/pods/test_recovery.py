"""When CNI calls may be served."""

import logging
import threading

import pytest
from secnet.agent.pods._recovery import Recovery


def test_it_is_done_when_each_pod_was_checked() -> None:
    recovery = Recovery()
    recovery.begin([("default", "a"), ("default", "b")])
    recovery.note(("default", "other"))
    recovery.note(("default", "a"))
    assert not recovery.done.is_set()
    recovery.note(("default", "b"))
    assert recovery.done.is_set()


def test_without_records_it_is_done_at_once() -> None:
    recovery = Recovery()
    recovery.begin([])
    assert recovery.done.is_set()


def test_one_pod_that_hangs_does_not_hold_up_the_others_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    recovery = Recovery()
    recovery.begin([("default", "hangs")])
    with caplog.at_level(logging.ERROR):
        recovery.limit(0, threading.Event())
    assert recovery.done.is_set()
    assert "default/hangs" in caplog.text


def test_an_agent_that_ends_does_not_wait_for_it() -> None:
    recovery, stop = Recovery(), threading.Event()
    recovery.begin([("default", "hangs")])
    stop.set()
    recovery.limit(3600, stop)
    assert not recovery.done.is_set()
