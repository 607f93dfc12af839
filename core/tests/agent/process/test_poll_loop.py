"""What is looked at again and again. The controller is played: it would need a node."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.interface import SourceTraits
from secnet.agent.config.settings import CniSettings, Settings
from secnet.agent.process import _poll_loop
from secnet.agent.process._background import Background
from secnet.agent.process._poll_loop import PollLoop


class PlayedController:
    """Counts the looks at the sandboxes."""

    def __init__(self, *, settled: bool) -> None:
        self.settled = settled
        self.polls = 0

    def poll_sandboxes(self) -> None:
        self.polls += 1
        raise KeyError("a fault in one look ends no loop")


def run(folder: Path, controller: Any, *, trusts_annotations: bool, rounds: int = 3) -> None:
    """Let the loop make a few rounds."""
    background, left = Background(()), threading.Semaphore(0)

    def fails() -> None:
        raise KeyError("a fault of one note hinders no other")

    settings = Settings(node_name="n", run_dir=folder, state_dir=folder)
    traits = SourceTraits(
        trusts_annotations=trusts_annotations,
        shared=False,
        free_reads=True,
        containers_wait=False,
        common_ledgers=True,
    )
    loop = PollLoop(background, controller, settings, traits, (fails, left.release))
    with ExitStack() as stack:
        background.spawn("poll_loop", loop.run, stack)
        stack.callback(background.stop.set)
        for _ in range(rounds):
            assert left.acquire(timeout=30)


def test_every_round_looks_where_no_event_reports_a_sandbox(tmp_path: Path) -> None:
    controller = PlayedController(settled=True)
    run(tmp_path, controller, trusts_annotations=True)
    assert controller.polls >= 3


@pytest.mark.parametrize("settled", [True, False])
def test_a_runtime_is_asked_seldom_once_all_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    """Patched: the seconds between two rounds, and those between two looks, so that no slow machine has one more."""
    monkeypatch.setattr(_poll_loop, "_RUNTIME_SECONDS", 0.01)
    monkeypatch.setattr(_poll_loop, "_WHEN_SETTLED_SECONDS", 3600.0)
    controller = PlayedController(settled=settled)
    run(tmp_path, controller, trusts_annotations=False)
    if settled:
        assert controller.polls == 1
    else:
        assert controller.polls >= 3


@pytest.mark.parametrize(("chained", "seconds"), [(True, 2.0), (False, 1.0)])
def test_where_calls_bring_the_sandboxes_they_are_listed_less_often(
    tmp_path: Path, chained: bool, seconds: float
) -> None:
    cni = CniSettings(socket=tmp_path / "cni.sock", conf_dir=tmp_path if chained else None)
    settings = Settings(node_name="n", run_dir=tmp_path, state_dir=tmp_path, cni=cni)
    traits = SourceTraits(
        trusts_annotations=False, shared=True, free_reads=False, containers_wait=False, common_ledgers=False
    )
    assert _poll_loop._seconds(settings, traits) == seconds
