"""The threads of one agent."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

import pytest
from secnet.agent.process._background import Background
from secnet.contract import NotReady


def test_what_one_round_raises_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    background = Background(())

    def not_ready() -> str:
        raise NotReady("no bridge yet")

    def broken() -> str:
        raise KeyError("a fault")

    assert background.guard(lambda: "done", default="") == "done"
    assert background.guard(not_ready, default="not") == "not"
    assert background.guard(broken, default="not") == "not"
    levels = [(record.levelno, bool(record.exc_info)) for record in caplog.records]
    assert levels == [(logging.WARNING, False), (logging.ERROR, True)]
    assert "no bridge yet" in caplog.text


def test_what_fails_because_the_agent_ends_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    background = Background(())

    def cancelled() -> bool:
        background.call(60).checkpoint()
        return True

    assert background.guard(cancelled, default=False)
    background.stop.set()
    assert not background.guard(cancelled, default=False)
    assert caplog.records == []


def test_a_thread_is_waited_for_at_the_end() -> None:
    background = Background(())
    before = threading.active_count()
    with ExitStack() as stack:
        background.spawn("loop", lambda: background.stop.wait(60) and None, stack)
        assert "loop" in [thread.name for thread in threading.enumerate()]
        stack.callback(background.stop.set)
    assert threading.active_count() == before
