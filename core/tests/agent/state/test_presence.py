"""Who reconciles a run directory, as other processes see it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from secnet.agent.state.presence import AGENT_ROLE, Presence, Reconciler, read_reconciler
from secnet.agent.state.run_dir import RunDirLock


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_none_ever_ran(run_dir: Path) -> None:
    assert read_reconciler(run_dir) is None
    run_dir.mkdir()
    (run_dir / "reconciler.json").write_text("{", encoding="utf-8")
    assert read_reconciler(run_dir) is None


def test_one_that_holds_the_run_directory_runs(run_dir: Path) -> None:
    lock = RunDirLock(run_dir)
    lock.acquire(AGENT_ROLE)
    presence = Presence(run_dir, AGENT_ROLE, 60)
    presence.note()
    found = read_reconciler(run_dir)
    assert found is not None
    assert (found.runs, found.is_agent, found.pid, found.resynced) == (True, True, os.getpid(), 0.0)
    presence.note(resynced=True)
    found = read_reconciler(run_dir)
    assert found is not None
    assert found.resynced == presence.resynced > 0
    lock.release()
    found = read_reconciler(run_dir)
    assert found is not None
    assert not found.runs


def test_one_that_was_killed_does_not_run(run_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from secnet.agent.state.presence import Presence;"
        "from secnet.agent.state.run_dir import RunDirLock; run = Path(sys.argv[1]);"
        "lock = RunDirLock(run); lock.acquire('secnet agent'); Presence(run, 'secnet agent', 60).note();"
        "print('there', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(run_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        found = read_reconciler(run_dir)
        process.kill()
    assert found is not None
    assert (found.runs, found.pid) == (True, process.pid)
    found = read_reconciler(run_dir)
    assert found is not None
    assert not found.runs


def test_to_look_takes_the_lock_from_no_one(run_dir: Path) -> None:
    run_dir.mkdir()
    Presence(run_dir, AGENT_ROLE, 60).note()
    (run_dir / "agent.lock").touch()
    found = read_reconciler(run_dir)
    assert found is not None
    assert not found.runs
    lock = RunDirLock(run_dir)
    lock.acquire(AGENT_ROLE)
    lock.release()


def test_one_that_compared_nothing_for_long_is_overdue() -> None:
    running = Reconciler(
        role=AGENT_ROLE, version="1", pid=1, started=1000.0, seen=1000.0, resync_seconds=60.0, runs=True
    )
    assert not running.is_overdue(1240.0)
    assert running.is_overdue(1241.0)
    resynced = dataclasses.replace(running, resynced=1200.0)
    assert not resynced.is_overdue(1440.0)
    assert not dataclasses.replace(running, runs=False).is_overdue(9999.0)
