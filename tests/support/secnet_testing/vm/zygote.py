"""Processes that begin with their modules imported already.

In a guest Python takes half a minute to import the agent. So one process imports everything once, before it has a second
thread, and new processes are forked from it. Such a process is fresh in what matters here: it shares no memory, descriptor or
lock with the test, has its own process id, and is killed like any other. Only its modules are not read from files again.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

__all__ = ["ZYGOTE", "Forked", "Zygote", "entry_point"]

_LARGEST = 1 << 16


ZYGOTE: pytest.StashKey[Zygote] = pytest.StashKey()
"""Where a run of pytest keeps the one that was made before it."""


class Zygote:
    """A process that waits to be forked.

    Make it after the imports, while the calling process has one thread, and where nothing further out catches SystemExit or
    cleans up: that is how the processes forked from it end.
    """

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.freeze()  # what is there now is never collected, so that forks do not copy it
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            _serve(theirs)
        theirs.close()

    def start(
        self, argv: Sequence[str], *, stdout: IO[bytes], stderr: IO[bytes], environment: Mapping[str, str] | None = None
    ) -> Forked:
        """Start a Python program, given as for a shell: `.../secnet ARGS`, or `.../python -m MODULE ARGS`."""
        request = json.dumps({"argv": list(argv), "environment": dict(environment or {}), "cwd": os.getcwd()})
        socket.send_fds(self._ours, [request.encode()], [stdout.fileno(), stderr.fileno()])
        answer, (exit_pipe,), _, _ = socket.recv_fds(self._ours, _LARGEST, 1)
        return Forked(argv, int(answer), exit_pipe)

    def run(self, argv: Sequence[str], *, timeout: float, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as subprocess.run does with captured text. folder: for what it prints meanwhile."""
        texts = [folder / f"{time.monotonic_ns()}.{name}" for name in ("out", "err")]
        with texts[0].open("wb") as out, texts[1].open("wb") as err:
            code = self.start(argv, stdout=out, stderr=err).wait(timeout)
        printed = [text.read_text(encoding="utf-8", errors="replace") for text in texts]
        return subprocess.CompletedProcess(argv, code, *printed)

    def close(self) -> None:
        """End it. Processes that it began go on."""
        self._ours.close()
        os.waitpid(self._pid, 0)


class Forked:
    """A process forked from a zygote, with the methods of subprocess.Popen that tests use."""

    def __init__(self, argv: Sequence[str], pid: int, exit_pipe: int) -> None:
        self.args, self.pid = list(argv), pid
        self.returncode: int | None = None
        self._exit_pipe = exit_pipe

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._exit_pipe], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._exit_pipe], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        text = os.read(self._exit_pipe, 32)
        assert text, f"the zygote ended before {self.args}"
        self.returncode = int(text)
        os.close(self._exit_pipe)


def entry_point(argv: Sequence[str]) -> tuple[Callable[[], Any], list[str]]:
    """What a command line of a Python program calls, and its sys.argv. Raises ValueError for another program.

    Variables that an `env` in front would set must be in the environment already.
    """
    words = list(argv)
    if words and Path(words[0]).name == "env":
        words = words[next(number for number, word in enumerate(words[1:], 1) if "=" not in word) :]
    if words and Path(words[0]).name == "secnet":
        cli = importlib.import_module("secnet.agent.cli")
        return cli.main, words
    if len(words) > 2 and Path(words[0]).name.startswith("python") and words[1] == "-m":
        module = importlib.import_module(words[2])
        if hasattr(module, "main"):
            return lambda: module.main(words[3:]), words[2:]
        return lambda: runpy.run_module(words[2], run_name="__main__", alter_sys=True), words[2:]
    raise ValueError(f"no Python program: {' '.join(argv)}")


def _serve(requests: socket.socket) -> NoReturn:
    """Fork for each request until the other end is closed; tell each caller of the end of its process through a pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exits: dict[int, int] = {}
    # A child's end wakes the loop up.
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        ready: list[object] = list(select.select([requests.fileno(), wake_read], [], [])[0])
        if wake_read in ready:
            os.read(wake_read, 512)
            _reap(exits)
        if requests.fileno() in ready:
            text, fds, _, _ = socket.recv_fds(requests, _LARGEST, 2)
            if not text:
                os._exit(0)
            exit_read, exit_write = os.pipe2(os.O_CLOEXEC)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                inherited = (*exits.values(), exit_read, exit_write, wake_read, wake_write, requests.detach())
                _become(json.loads(text), fds, inherited)
            exits[pid] = exit_write
            socket.send_fds(requests, [str(pid).encode()], [exit_read])
            for fd in (*fds, exit_read):
                os.close(fd)


def _reap(exits: dict[int, int]) -> None:
    for pid in list(exits):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            fd = exits.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(fd, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(fd)


def _become(request: Mapping[str, Any], fds: Sequence[int], foreign: Iterable[int]) -> NoReturn:
    """Turn a fork into the program of a request, and end as Python does: with its threads joined, its last words flushed."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for target, fd in enumerate(fds, 1):
        os.dup2(fd, target)
    for fd in (*fds, *foreign):
        os.close(fd)
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    call, sys.argv = entry_point(request["argv"])
    raise SystemExit(call())
