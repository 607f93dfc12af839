"""A forked `secnet` is as one that a command line starts."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from secnet_testing.netns import run_in
from secnet_testing.node import Node
from secnet_testing.secnet_command import COMMAND, run_secnet


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


@pytest.mark.ovs
def test_an_agent_is_in_the_nodes_namespace_and_stops_by_signal(node: Node) -> None:
    forked = node.agent()
    assert (
        os.readlink(f"/proc/{forked.pid}/ns/net") == run_in(node.namespace, ["readlink", "/proc/self/ns/net"]).strip()
    )
    files = {os.readlink(f"/proc/{forked.pid}/fd/{fd}") for fd in (1, 2)}
    assert files == {str(forked.log)}
    node.stop()
    node.agent().kill()
    assert node.agents[-1].wait_end(0) == -signal.SIGKILL
