"""The fork server: its processes are as those started by a command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from secnet_conformance.forkserver import Entry, ForkServer

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
    if what == "modules":
        print("wave" in sys.modules)
    if what == "wait":
        time.sleep(600)
    return 0
"""

# Nothing cleans up around a server that is a fork: that is how the processes forked from it end.
RUNNER = """\
import json, subprocess, sys
from secnet_conformance.forkserver import Entry, ForkServer

server = ForkServer.fork() if sys.argv[1] == "fork" else ForkServer.spawn(["program"])
entry = Entry(module="program")
results = {}
server.preload(["no.such.module", "wave"])
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
ASKED = [["code", "0"], ["code", "3"], ["words"], ["fault"], ["thread"], ["files"], ["modules"]]


@pytest.fixture(scope="module", params=["spawn", "fork"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each process of a server that is a process of its own, or a fork."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "runner.py").write_text(RUNNER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder), "SAID": "hello"}
    argv = [sys.executable, "-W", "error", str(folder / "runner.py"), request.param, json.dumps(ASKED)]
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {"folder": str(folder), **json.loads(done.stdout)}


@pytest.mark.parametrize("code", [0, 3])
def test_code_arguments_environment_and_output(results: dict[str, Any], code: int) -> None:
    assert results[f"code {code}"] == [code, f"hello {results['folder']} program code {code}\n", "aside\n"]


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


def test_what_was_preloaded_is_there_when_a_process_begins(results: dict[str, Any]) -> None:
    assert results["modules"] == [0, "True\n", ""]


def test_a_server_that_cannot_import_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    server = ForkServer.spawn(["no.such.module"])
    with pytest.raises(AssertionError, match="the fork server ended"):
        server.start(Entry(module="json.tool"), [], stdout=1, stderr=2)
    server.close()
    assert not server.running
    assert "No module named 'no'" in capfd.readouterr().err
