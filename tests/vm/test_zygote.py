"""Forked processes do as processes that were started: code, signals, output, threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

SUPPORT = Path(__file__).resolve().parents[1] / "support"

PROGRAM = """
import os, sys, threading, time

def main(argv):
    what, *rest = argv
    if what == "code":
        print(*sys.argv)
        print("aside", file=sys.stderr)
        return int(rest[0])
    if what == "die":
        os.kill(os.getpid(), 9)
    if what == "words":
        raise SystemExit("last words")
    if what == "fault":
        raise ValueError("a fault")
    if what == "thread":
        def late():
            time.sleep(0.2)
            print("from the thread", flush=True)
        threading.Thread(target=late).start()
    if what == "wait":
        print("waits", flush=True)
        time.sleep(600)
    if what == "descriptors":
        print(*sorted(map(int, os.listdir("/proc/self/fd"))), sys.stdin.read() == "")
"""

# Nothing cleans up around a zygote: that is how processes forked from it end.
RUNNER = """
import json, subprocess, sys
from pathlib import Path
from secnet_testing.vm.zygote import Zygote

zygote = Zygote()
folder = Path(sys.argv[1])
python = [sys.executable, "-m", "program"]
results = {}
for what in json.loads(sys.argv[2]):
    done = zygote.run([*python, *what], timeout=60, folder=folder)
    results[" ".join(what)] = [done.returncode, done.stdout, done.stderr]

with (folder / "log").open("wb") as log:
    waiting = zygote.start([*python, "wait"], stdout=log, stderr=log)
    try:
        waiting.wait(0.05)
    except subprocess.TimeoutExpired:
        results["runs"] = waiting.poll() is None
    waiting.terminate()
    results["terminated"] = waiting.wait(60)
    waiting.kill()
    results["unknown"] = zygote.run(["/bin/true"], timeout=60, folder=folder).returncode
zygote.close()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each process."""
    folder = tmp_path_factory.mktemp("zygote")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "runner.py").write_text(RUNNER)
    asked = [["code", "0"], ["code", "3"], ["die"], ["words"], ["fault"], ["thread"], ["descriptors"]]
    environment = {**os.environ, "PYTHONPATH": f"{SUPPORT}:{folder}"}
    argv = [sys.executable, "-W", "error", str(folder / "runner.py"), str(folder), json.dumps(asked)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("code", [0, 3])
def test_code_arguments_and_output(results: dict[str, Any], code: int) -> None:
    assert results[f"code {code}"] == [code, f"program code {code}\n", "aside\n"]


def test_a_signal_is_the_negative_code(results: dict[str, Any]) -> None:
    assert results["die"][0] == -9
    assert results["runs"]
    assert results["terminated"] == -15


def test_last_words_and_faults_go_to_stderr(results: dict[str, Any]) -> None:
    assert results["words"] == [1, "", "last words\n"]
    code, _, said = results["fault"]
    assert code == 1
    assert said.endswith("ValueError: a fault\n")


def test_threads_are_waited_for(results: dict[str, Any]) -> None:
    assert results["thread"] == [0, "from the thread\n", ""]


def test_it_has_no_descriptor_of_others_and_nothing_to_read(results: dict[str, Any]) -> None:
    # The fourth is the one that lists the folder.
    assert results["descriptors"][1] == "0 1 2 3 True\n"


def test_another_program_is_refused(results: dict[str, Any]) -> None:
    assert results["unknown"] == 1
