"""The fork server of the tests: its processes are as `secnet` started by a command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import secnet_testing
from secnet_testing.forkserver import COMMAND, run_secnet
from secnet_testing.netns import run_in
from secnet_testing.node import Node

PROGRAM = """\
import os, sys, threading, time

def main(argv):
    what, *rest = argv
    if what == "code":
        print(os.environ["SAID"], os.getcwd(), *sys.argv, flush=True)
        print("aside", file=sys.stderr)
        return int(rest[0])
    if what == "words":
        raise SystemExit("last words")
    if what == "fault":
        raise ValueError("a fault")
    if what == "thread":
        threading.Thread(target=lambda: (time.sleep(0.2), print("from the thread"))).start()
    if what == "files":
        print(*sorted(map(int, os.listdir("/proc/self/fd"))), repr(sys.stdin.read()))
    if what == "wait":
        time.sleep(600)
    return 0
"""

# Nothing cleans up around a server that is a fork: that is how the processes forked from it end.
RUNNER = """\
import json, subprocess, sys
from secnet_testing.forkserver import Entry, ForkServer

server = getattr(ForkServer, sys.argv[1])()
entry = Entry(module="program")
results = {}
for what in json.loads(sys.argv[2]):
    with open("out", "wb+") as out, open("err", "wb+") as err:
        code = server.start(entry, what, stdout=out.fileno(), stderr=err.fileno()).wait(60)
        out.seek(0), err.seek(0)
        results[" ".join(what)] = [code, out.read().decode(), err.read().decode()]
waiting = server.start(entry, ["wait"], stdout=1, stderr=2)
try:
    waiting.wait(0.05)
except subprocess.TimeoutExpired:
    results["runs"] = waiting.poll() is None
waiting.send_signal(15)
results["terminated"] = waiting.wait(60)
left = server.start(entry, ["wait"], stdout=1, stderr=2)
server.close()
results["left"] = left.wait(60)
print(json.dumps(results))
"""
ASKED = [["code", "0"], ["code", "3"], ["words"], ["fault"], ["thread"], ["files"]]


@pytest.fixture(scope="module", params=["spawn", "fork"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each process of a server that is a process of its own, or a fork."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "runner.py").write_text(RUNNER, encoding="utf-8")
    support = str(Path(secnet_testing.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": f"{support}:{folder}", "SAID": "hello"}
    argv = [sys.executable, "-W", "error", str(folder / "runner.py"), request.param, json.dumps(ASKED)]
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {"folder": str(folder), **json.loads(done.stdout)}


@pytest.mark.parametrize("code", [0, 3])
def test_code_arguments_environment_and_output(results: dict[str, Any], code: int) -> None:
    assert results[f"code {code}"] == [code, f"hello {results['folder']} secnet code {code}\n", "aside\n"]


def test_last_words_and_faults_go_to_stderr(results: dict[str, Any]) -> None:
    assert results["words"] == [1, "", "last words\n"]
    code, _, said = results["fault"]
    assert code == 1
    assert said.endswith("ValueError: a fault\n")


def test_threads_are_waited_for(results: dict[str, Any]) -> None:
    assert results["thread"] == [0, "from the thread\n", ""]


def test_it_has_no_descriptor_of_others_and_nothing_to_read(results: dict[str, Any]) -> None:
    assert results["files"][1] == "0 1 2 3 ''\n"  # the last one lists the folder


def test_a_signal_ends_it_as_does_the_end_of_its_server(results: dict[str, Any]) -> None:
    assert results["runs"]
    assert results["terminated"] == -15
    assert results["left"] == -9


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
