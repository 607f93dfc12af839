"""Jobs of a loop that may hang in a plugin."""

from __future__ import annotations

import logging
import threading

import pytest
from secnet.agent.plugins import calls as module
from secnet.agent.plugins.calls import PluginCalls
from secnet.agent.process._background import Background
from secnet.agent.process._jobs import Jobs
from secnet.contract import Call
from secnet_testing.scripted_plugins import Script, toy_registry


def test_a_job_is_done_before_it_goes_on_and_what_it_raises_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise KeyError("a fault")

    jobs = Jobs(Background(()), PluginCalls())
    before = threading.active_count()
    for number in range(3):
        jobs.run("count", lambda number=number: done.append(number))  # type: ignore[misc]
    with caplog.at_level(logging.ERROR):
        jobs.run("fails", fail)
    assert done == [0, 1, 2]
    assert "a background task failed" in caplog.text
    assert threading.active_count() == before


def test_a_job_that_hangs_in_a_plugin_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: or it would take three seconds."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.02)
    calls, gate, began, done = PluginCalls(), threading.Event(), list[str](), list[str]()
    driver = toy_registry(Script()).drivers["toy"]

    def hang() -> None:
        began.append("hang")
        calls.held(driver, "detach", lambda: gate.wait(30), Call.within(0.01), None)
        done.append("hang")

    jobs = Jobs(Background(()), calls)
    try:
        jobs.run("hangs", hang)
        jobs.run("other", lambda: done.append("other"))
        jobs.run("hangs", hang)
        assert (began, done) == (["hang"], ["other"]), "it is not begun again while it hangs"
    finally:
        gate.set()
    for thread in list(jobs._left.values()):
        thread.join(10)
    jobs.run("hangs", hang)
    assert began == ["hang", "hang"]
