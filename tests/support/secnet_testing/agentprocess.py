"""One agent process under test: started, watched, stopped or killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

__all__ = ["AgentProcess", "Process", "Start"]

_READY_SECONDS = 30.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01


class Process(Protocol):
    """What is needed of subprocess.Popen."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...
    @property
    def returncode(self) -> int | None: ...


class Start(Protocol):
    """Starts a program that reads nothing."""

    def __call__(self, argv: Sequence[str], /, *, stdout: IO[bytes], stderr: IO[bytes]) -> Process: ...


def _start(argv: Sequence[str], *, stdout: IO[bytes], stderr: IO[bytes]) -> Process:
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


class AgentProcess:
    """A running `secnet agent`. `log` is the file with all it prints; `started` is when it was started, `time.time()`."""

    def __init__(self, argv: Sequence[str], log: Path, *, start: Start = _start) -> None:
        self.log = log
        self.started = time.time()
        with log.open("wb") as file:
            self._process = start(argv, stdout=file, stderr=file)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once it ended, for whatever reason."""
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """All it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self, lines: int = 60) -> str:
        """The last lines that it printed."""
        return "\n".join(self.text.splitlines()[-lines:])

    def wait_ready(self, within: float = _READY_SECONDS) -> None:
        """Wait for its line "ready"; fails with its log when it ends before."""
        deadline = time.monotonic() + within
        while "ready: node " not in self.text:
            assert self.running, f"the agent ended at its start ({self._process.returncode}):\n{self.tail()}"
            assert time.monotonic() < deadline, f"the agent is not ready after {within:g} s:\n{self.tail()}"
            time.sleep(_POLL_SECONDS)

    def wait_end(self, within: float) -> int:
        """Wait until it ends by itself; returns its exit code, negative for a signal."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent still runs after {within:g} s:\n{self.tail()}") from None

    def stop(self, within: float = _STOP_SECONDS) -> None:
        """Ask it to end, as a service manager does. Fails if it does not, or not with exit code 0."""
        self._process.send_signal(signal.SIGTERM)
        code = self.wait_end(within)
        assert code == 0, f"the agent ended with {code}:\n{self.tail()}"

    def kill(self) -> None:
        """SIGKILL it, and wait for its end; nothing if it ended already."""
        self._process.kill()
        self._process.wait()
