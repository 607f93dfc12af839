"""The fork server of the tests: its processes are as `secnet` started by a command line."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from secnet_testing.agentprocess import AgentProcess
from secnet_testing.forkserver import COMMAND, SECNET, Entry, ForkServer, run_secnet
from secnet_testing.netns import run_in
from secnet_testing.node import Node

TOLD = """\
import os

def main(argv):
    print(os.environ["SAID"], os.getcwd(), *argv)
    return 3
"""


@pytest.mark.parametrize(
    "words",
    [["--version"], ["drivers", "vlan"], ["drivers", "nothing"], ["no-such-command"], ["validate", "/nonexistent"]],
)
def test_output_and_exit_code_are_those_of_the_command(words: list[str]) -> None:
    environment = {**os.environ}  # not what a library of pytest adds behind its back, such as COLUMNS
    real = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False, env=environment)
    forked = run_secnet(*words, timeout=60)
    assert forked.stdout.splitlines() == real.stdout.splitlines()
    assert (forked.returncode, forked.stderr) == (real.returncode, real.stderr)


def test_a_process_has_the_environment_and_folder_of_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told.py").write_text(TOLD, encoding="utf-8")
    monkeypatch.setenv("SAID", "hello")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = ForkServer()
    try:
        with (tmp_path / "out").open("wb") as out:
            process = server.start(Entry(module="told", arguments=("a",)), ["b"], stdout=out.fileno(), stderr=2)
        assert process.wait(30) == 3
    finally:
        server.close()
    assert (tmp_path / "out").read_text() == f"hello {tmp_path} a b\n"


@pytest.mark.ovs
def test_an_agent_stops_by_signal_is_killed_and_ends_with_its_server(node: Node) -> None:
    forked = node.agent()
    assert (
        os.readlink(f"/proc/{forked.pid}/ns/net") == run_in(node.namespace, ["readlink", "/proc/self/ns/net"]).strip()
    )
    files = {os.readlink(f"/proc/{forked.pid}/fd/{fd}") for fd in (1, 2)}
    assert files == {str(forked.log)}
    node.stop()
    node.agent().kill()
    assert node.agents[-1].wait_end(0) == -signal.SIGKILL
    server = ForkServer()
    arguments = ["agent", "--config", str(node.config)]
    last = AgentProcess(
        lambda log: server.start(SECNET, arguments, stdout=log, stderr=log, netns=node.namespace.path),
        node.folder / "last.log",
    )
    last.wait_ready()
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(last.pid, 0)
