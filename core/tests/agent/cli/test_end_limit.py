"""A process that was asked to stop ends, whatever its main thread waits for: in processes of their own, since they end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_HANGS = """
import os, signal, sys, threading
from secnet.agent.cli._end_limit import EndLimit

stopped, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGTERM, lambda *_: None)
limit = EndLimit(stopped, float(sys.argv[2]), [signal.SIGTERM])
limit.watch()
print("ready", flush=True)
if sys.argv[1] == "reads":
    os.read(stopped, 1)
    limit.begin()
    print("stopping", flush=True)
if len(sys.argv) == 3:
    threading.Event().wait()
"""


def end(*arguments: str) -> tuple[int, str]:
    """Start it and send it SIGTERM. Returns its exit code and what it wrote to stderr."""
    command = [sys.executable, "-c", _HANGS, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, errors


@pytest.mark.parametrize("where", ["reads", "never reads"], ids=["in its end", "before it looks"])
def test_a_process_that_hangs_is_ended(where: str) -> None:
    code, errors = end(where, "0.2")
    assert code == 1
    assert "the end takes longer than" in errors


def test_a_process_that_ends_by_itself_is_left_alone() -> None:
    assert end("reads", "3600", "ends") == (0, "")
