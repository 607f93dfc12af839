"""A run directory that is removed under a running agent."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from secnet.agent.config.settings import Settings
from secnet.agent.process._run_dir_keeper import RunDirKeeper
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirLock
from secnet_testing.contract_objects import record


def make(folder: Path) -> tuple[RunDirKeeper, RunDirLock, Journal]:
    """Of an agent that holds the run directory and has one record."""
    settings = Settings(node_name="n", run_dir=folder / "run", state_dir=folder / "state")
    lock = RunDirLock(settings.run_dir)
    lock.acquire("secnet agent")
    journal = Journal(settings.run_dir / "journal")
    journal.write(record())
    return RunDirKeeper(settings, lock, "secnet agent", journal), lock, journal


def test_it_is_taken_again_with_all_records(tmp_path: Path) -> None:
    keeper, lock, journal = make(tmp_path)
    keeper.keep()
    shutil.rmtree(tmp_path / "run")
    assert lock.is_lost()
    keeper.keep()
    assert not lock.is_lost()
    assert Journal.peek(tmp_path / "run/journal") == tuple(journal.records())
    assert (tmp_path / "run/state-dir").read_text() == str((tmp_path / "state").resolve())
    lock.release()


def test_if_another_process_was_quicker_this_one_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched: the signal would end the tests."""
    sent: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", sent.append)
    keeper, _, _ = make(tmp_path)
    shutil.rmtree(tmp_path / "run")
    other = RunDirLock(tmp_path / "run")
    other.acquire("secnet agent")
    keeper.keep()
    assert sent == [signal.SIGTERM]
    assert Journal.peek(tmp_path / "run/journal") == ()
    other.release()
