"""The process that reconciles the run directory while a command waits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cli._reconciler import Progress, reconciler
from secnet.agent.config.settings import Settings
from secnet.agent.state.run_dir import RunDirInUse, RunDirLock
from secnet_testing.scripted_plugins import Script, toy_registry


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    found = [logging.getLogger(), logging.getLogger("secnet")]
    before = [(logger, logger.handlers[:], logger.level) for logger in found]
    yield
    for logger, handlers, level in before:
        logger.handlers[:], logger.level = handlers, level


def settings(folder: Path) -> Settings:
    return Settings(node_name="n", run_dir=folder / "run", state_dir=folder / "state")


def test_this_process_does_the_work_where_no_agent_runs_and_ends_with_it(tmp_path: Path) -> None:
    lock = RunDirLock(tmp_path / "run")
    with reconciler(settings(tmp_path), toy_registry(Script()), "secnet apply") as ensure:
        ensure()
        with pytest.raises(RunDirInUse, match="secnet apply"):
            lock.acquire("test")
    lock.acquire("test")
    lock.release()


def test_beside_an_agent_it_waits_and_takes_over_when_that_ends(tmp_path: Path) -> None:
    agent, other = RunDirLock(tmp_path / "run"), RunDirLock(tmp_path / "run")
    agent.acquire("secnet agent")
    with reconciler(settings(tmp_path), toy_registry(Script()), "secnet apply") as ensure:
        ensure()
        agent.release()
        ensure()
        with pytest.raises(RunDirInUse, match="secnet apply"):
            other.acquire("test")


def test_progress_is_over_at_its_time_and_says_nothing_at_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert Progress(0).over()
    patient = Progress(600)
    assert not patient.over()
    patient.show("waiting for 1 Pod")
    assert capsys.readouterr().err == ""
