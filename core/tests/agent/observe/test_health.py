"""Signs of life of the agent's threads, and the addresses where they are asked for."""

from __future__ import annotations

import contextlib
import http.client
import queue
import threading
from contextlib import closing

import pytest
from secnet.agent.base.metrics import Metrics
from secnet.agent.observe import health
from secnet.agent.observe._http import HttpServer
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


class Hanging(Metrics):
    """Those of an agent with a plugin that does not keep to its deadline."""

    def __init__(self) -> None:
        self.scraped, self.gate = queue.Queue[None](), threading.Event()

    def page(self) -> bytes:
        self.scraped.put(None)
        self.gate.wait(30)
        return b""


def test_scrapes_that_hang_leave_the_probes_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet kills an agent that does not answer them."""
    servers: list[HttpServer] = []

    class Noted(HttpServer):  # its port is the kernel's choice
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            servers.append(self)

    monkeypatch.setattr("secnet.agent.observe._http.HttpServer", Noted)
    metrics = Hanging()
    close = serve_health("127.0.0.1:0", metrics, stuck=list, unready=list)

    def ask(path: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", servers[0].port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def scrape() -> None:
        with contextlib.suppress(OSError):
            ask("/metrics")

    scrapes = [threading.Thread(target=scrape) for _ in range(8)]
    try:
        for thread in scrapes:
            thread.start()
        for _ in range(health._SCRAPES):
            metrics.scraped.get(timeout=10)
        assert ask("/metrics") == 503
        assert ask("/healthz") == 200
    finally:
        metrics.gate.set()
        for thread in scrapes:
            thread.join()
        close()
