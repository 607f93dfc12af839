"""Signs of life of the agent's threads, and the addresses where they are asked for."""

from __future__ import annotations

import threading

from secnet.agent.base.metrics import Metrics
from secnet.agent.observe.health import Heartbeats, serve_health


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("http")]


def test_nothing_is_served_without_an_address() -> None:
    serve_health(None, Metrics(), stuck=list, unready=list)()
    assert _threads() == []


def test_a_thread_that_does_not_come_round_is_named() -> None:
    now = [0.0]
    beats = Heartbeats(clock=lambda: now[0])
    beats.beat("poll_loop", 10)
    beats.beat("resync_loop", 100)
    now[0] = 11
    assert beats.late() == ["poll_loop is stuck or ended, since 1 s"]
    beats.beat("poll_loop", 10)
    assert beats.late() == []
