"""Fresh `secnet` processes without the second that each spends on imports: a parent that has imported all forks them.

A process made so differs from `secnet` on the command line in one thing, that its modules are loaded when it begins: the parent
runs nothing of them, has one thread and opens no file. What starts or imports differently there is tested with the real command.
On two cores the imports were a good third of what the whole run of the tests cost.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from . import forking

__all__ = ["COMMAND", "SECNET", "Entry", "ForkServer", "ForkedProcess", "fork_server", "run_secnet", "share"]

_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a process runs: `main` of a module, with these arguments before its own."""

    module: str
    arguments: tuple[str, ...] = ()


SECNET = Entry(module="secnet.agent.cli")
COMMAND = (str(Path(sys.executable).with_name("secnet")),)
"""The same as a command line, for what is different there: what is imported, and the memory that it takes."""


class ForkedProcess:
    """One process, with the part of `subprocess.Popen` that tests need."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._read(_START_SECONDS)

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        with self._lock:
            if self.returncode is None and self._is_told(0):
                self.returncode = os.waitstatus_to_exitcode(self._read(0))
                os.close(self._status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        with self._lock:
            ended = self.returncode is not None or self._is_told(timeout)
        if not ended:
            assert timeout is not None
            raise subprocess.TimeoutExpired("secnet", timeout)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _is_told(self, timeout: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._status, select.POLLIN)
        return bool(waiting.poll(None if timeout is None else timeout * 1000))

    def _read(self, timeout: float) -> int:
        assert self._is_told(timeout), "the fork server does not answer"
        content = os.read(self._status, forking.STATUS.size)
        assert len(content) == forking.STATUS.size, "the fork server ended"
        return int(forking.STATUS.unpack(content)[0])


class ForkServer:
    """The parent, for one test process; it and all that it forked ends with it. Made by `spawn` or `fork`."""

    def __init__(self, requests: socket.socket, wait: Callable[[], object]) -> None:
        self._requests = requests
        self._wait = wait
        self._lock = threading.Lock()

    @classmethod
    def spawn(cls) -> ForkServer:
        """A process of its own, which imports everything first."""
        ours, theirs = _pair()
        folder = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        argv = [sys.executable, "-m", forking.__name__, str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path}
            )
        return cls(ours, process.wait)

    @classmethod
    def fork(cls) -> ForkServer:
        """A fork of this process, with what it has imported.

        Only while it has one thread, and where nothing further out catches SystemExit or cleans up: that is how the processes
        forked from it end.
        """
        ours, theirs = _pair()
        gc.freeze()  # what is there now is never collected, so that forks do not copy it
        pid = os.fork()
        if not pid:
            ours.close()
            raise SystemExit(forking.be_server(theirs))
        theirs.close()
        return cls(ours, lambda: os.waitpid(pid, 0))

    def start(
        self, entry: Entry, arguments: Sequence[str], *, stdout: int, stderr: int, netns: str = ""
    ) -> ForkedProcess:
        """Start a process. stdout, stderr: file descriptors, which stay the caller's. netns: path of its network namespace."""
        request = {
            "module": entry.module,
            "argv": [*entry.arguments, *arguments],
            "netns": netns,
            "environment": dict(os.environ),
            "folder": os.getcwd(),
        }
        status, theirs = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._requests, [json.dumps(request).encode()], [stdout, stderr, theirs])
        finally:
            os.close(theirs)
        return ForkedProcess(status)

    def close(self) -> None:
        """End it, and what runs yet of all that it forked."""
        self._requests.close()
        self._wait()


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


_shared: list[ForkServer] = []


def fork_server() -> ForkServer:
    """The one of this test process, spawned when first asked for unless one was given to `share`."""
    if not _shared:
        share(ForkServer.spawn())
    return _shared[0]


def share(server: ForkServer) -> None:
    """Let this one be that of the test process; it is closed at its end."""
    assert not _shared, "there is one already"
    _shared.append(server)
    atexit.register(server.close)


def run_secnet(*args: str | Path, timeout: float, netns: str = "") -> subprocess.CompletedProcess[str]:
    """Run a `secnet` command to its end, as `subprocess.run` would. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = fork_server().start(SECNET, [*map(str, args)], stdout=out.fileno(), stderr=err.fileno(), netns=netns)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(["secnet", *map(str, args)], code, _text(out), _text(err))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
