"""One agent process under test: started, watched, stopped or killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from secnet_conformance.forkserver import Entry, ForkedProcess

from .secnet_command import fork_server

__all__ = ["READY_SECONDS", "AgentProcess"]

READY_SECONDS = 30.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01


class AgentProcess:
    """A running `secnet agent`. `log` is the file with all it prints; `started` is when it was started, `time.time()`."""

    def __init__(self, start: Callable[[int], subprocess.Popen[bytes] | ForkedProcess], log: Path) -> None:
        self.log = log
        self.started = time.time()
        with log.open("wb") as file:
            self._process = start(file.fileno())

    @classmethod
    def run(cls, argv: Sequence[str], log: Path) -> AgentProcess:
        """Started by a command line."""
        return cls(lambda log: subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log), log)

    @classmethod
    def fork(cls, entry: Entry, arguments: Sequence[str], log: Path, netns: str) -> AgentProcess:
        """Started by the fork server, in a network namespace."""
        return cls(lambda log: fork_server().start(entry, arguments, stdout=log, stderr=log, netns=netns), log)

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

    def wait_started(self, within: float = READY_SECONDS) -> None:
        """Wait until it says that it works; fails with its log when it ends before. It may have a reason not to be ready."""
        deadline = time.monotonic() + within
        while "started: node " not in self.text:
            assert self.running, f"the agent ended at its start ({self._process.returncode}):\n{self.tail()}"
            assert time.monotonic() < deadline, f"the agent has not started after {within:g} s:\n{self.tail()}"
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
