"""Fresh Python processes without the second that each spends on imports: a parent that has imported all forks them.

A process made so differs from one on the command line in one thing, that its modules are loaded when it begins: the parent runs
nothing of them, has one thread and opens no file.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import forking

__all__ = ["Entry", "ForkServer", "ForkedProcess"]

_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a process runs: `main` of a module, with these arguments before its own."""

    module: str
    arguments: tuple[str, ...] = ()


class ForkedProcess:
    """One process, with the part of `subprocess.Popen` that tests need."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._lock = threading.Lock()
        self.returncode: int | None = None
        try:
            self.pid = self._read(_START_SECONDS)
        except BaseException:
            os.close(status)
            raise

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        with self._lock:
            if self.returncode is None and self._is_readable(0):
                self.returncode = os.waitstatus_to_exitcode(self._read(0))
                os.close(self._status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        with self._lock:
            ended = self.returncode is not None or self._is_readable(timeout)
        if not ended:
            assert timeout is not None
            raise subprocess.TimeoutExpired("a forked process", timeout)
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

    def _is_readable(self, timeout: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._status, select.POLLIN)
        return bool(waiting.poll(None if timeout is None else timeout * 1000))

    def _read(self, timeout: float) -> int:
        assert self._is_readable(timeout), "the fork server does not answer"
        content = os.read(self._status, forking.STATUS.size)
        assert len(content) == forking.STATUS.size, "the fork server ended; its messages are above"
        return int(forking.STATUS.unpack(content)[0])


class ForkServer:
    """The parent, for one process; it and all that it forked ends with `close`. Made by `spawn` or `fork`."""

    def __init__(self, requests: socket.socket, wait: Callable[[], object], poll: Callable[[], object]) -> None:
        self._requests = requests
        self._wait = wait
        self._poll = poll
        self._lock = threading.Lock()

    @classmethod
    def spawn(cls, modules: Sequence[str]) -> ForkServer:
        """A process of its own, which imports these modules first, from the same path as this one."""
        ours, theirs = _pair()
        argv = [sys.executable, "-m", forking.__name__, str(theirs.fileno()), *modules]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=2, pass_fds=[theirs.fileno()], env=environment
            )
        return cls(ours, process.wait, process.poll)

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
        return cls(ours, lambda: os.waitpid(pid, 0), lambda: None)

    @property
    def running(self) -> bool:
        """False once it ended by itself."""
        return self._poll() is None

    def start(
        self,
        entry: Entry,
        arguments: Sequence[str],
        *,
        stdout: int,
        stderr: int,
        netns: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> ForkedProcess:
        """Start a process in this one's folder, with this one's environment unless another is given.

        stdout, stderr: file descriptors, which stay the caller's. netns: path of its network namespace. Raises AssertionError
        when the server has ended.
        """
        request = {
            "module": entry.module,
            "argv": [*entry.arguments, *arguments],
            "netns": netns,
            "environment": dict(os.environ if environment is None else environment),
            "folder": os.getcwd(),
        }
        status, theirs = os.pipe()
        try:
            self._send(request, [stdout, stderr, theirs])
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(theirs)
        return ForkedProcess(status)

    def preload(self, modules: Iterable[str]) -> None:
        """Import these modules before the next process is started; what cannot be imported is passed over."""
        self._send({"import": list(modules)}, [])

    def close(self) -> None:
        """End it, and what runs yet of all that it forked."""
        self._requests.close()
        self._wait()

    def _send(self, request: Mapping[str, object], fds: Sequence[int]) -> None:
        try:
            with self._lock:
                socket.send_fds(self._requests, [json.dumps(request).encode()], fds)
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise AssertionError("the fork server ended; its messages are above") from exc


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
