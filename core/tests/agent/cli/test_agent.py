"""`secnet agent` waits for an agent that is being replaced, and for no longer than that one may take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from secnet.agent.cli.agent import _Turn
from secnet.agent.state.run_dir import RunDirInUse, RunDirLock

# The agent itself is replaced: what matters is the moment of the signal, and a real one has no such moment that a test can hit.
_STARTS_AGAIN = """
import argparse, os, pathlib, select, signal, sys
from secnet.agent.cli import agent

def run(settings, registry, cluster, metrics, observers, pipe, *rest):
    if "SECOND" in os.environ:
        assert os.environ["MOMENT"] != "drain", "it was to stop"
        select.select([pipe[0]], [], [])
        return False
    if os.environ["MOMENT"] == "drain":
        os.kill(os.getpid(), signal.SIGTERM)
    return True

def execv(program, arguments, real=os.execv):
    os.environ["SECOND"] = "1"
    print("again", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    real(program, arguments)

agent._run, agent._make_sysctls_writable, os.execv = run, lambda: None, execv
sys.exit(agent.serve(argparse.Namespace(config=pathlib.Path(sys.argv[1]))))
"""


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
    turn = _Turn(stopped, seconds=50.0)
    assert turn.wait(in_use)
    assert not turn.is_over
    os.write(wake, b"x")
    assert not turn.wait(in_use)
    assert turn.is_over
    os.close(stopped)
    os.close(wake)


def test_it_gives_up_in_the_end(in_use: RunDirInUse) -> None:
    stopped, wake = os.pipe()
    turn = _Turn(stopped, seconds=0.0)
    assert not turn.wait(in_use)
    assert not turn.is_over, "no one said stop"
    os.close(stopped)
    os.close(wake)


@pytest.mark.parametrize(("moment", "says"), [("drain", ""), ("exec", "again\n")])
def test_a_signal_while_it_starts_itself_again_ends_it(tmp_path: Path, moment: str, says: str) -> None:
    """Before the agent decided to, or while the new program begins."""
    (tmp_path / "manifests").mkdir()
    config = tmp_path / "node.yaml"
    config.write_text(f"nodeName: n1\nrunDir: {tmp_path}/run\nmanifests: {tmp_path}/manifests\n", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", _STARTS_AGAIN, config],
        env={**os.environ, "MOMENT": moment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, says)
