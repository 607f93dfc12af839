"""`secnet agent` waits for an agent that is being replaced, and for no longer than that one may take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from secnet.agent.cli.agent import _Turn
from secnet.agent.state.run_dir import RunDirInUse, RunDirLock


@pytest.fixture
def in_use(tmp_path: Path) -> RunDirInUse:
    holder = RunDirLock(tmp_path)
    holder.acquire("secnet agent")
    with pytest.raises(RunDirInUse) as caught:
        RunDirLock(tmp_path).acquire("secnet agent")
    holder.release()
    return caught.value


def test_it_waits_until_it_is_stopped(in_use: RunDirInUse) -> None:
    stopped, wake = os.pipe()
    turn = _Turn(stopped, drain_seconds=10.0)
    assert turn.wait(in_use)
    assert not turn.is_over
    os.write(wake, b"x")
    assert not turn.wait(in_use)
    assert turn.is_over
    os.close(stopped)
    os.close(wake)


def test_it_gives_up_in_the_end(in_use: RunDirInUse, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, wake = os.pipe()
    monkeypatch.setattr("secnet.agent.cli.agent._END_SECONDS", 0.0)  # or the test would take that long
    turn = _Turn(stopped, drain_seconds=0.0)
    assert not turn.wait(in_use)
    assert not turn.is_over, "no one said stop"
    os.close(stopped)
    os.close(wake)
