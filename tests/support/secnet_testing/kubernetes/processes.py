"""Programs of a test cluster that run until they are ended, with their output in a file."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..ending import ending_with_us

__all__ = ["Daemon"]

_STOP_SECONDS = 20.0


class Daemon:
    """One program, which can be started again after it ended; its log grows. It does not outlive the thread that starts it."""

    def __init__(self, log: Path, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._argv = list(argv)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id. AssertionError if it was never started."""
        assert self._process is not None, f"{self._argv[0]} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it. The caller waits until it answers."""
        assert not self.running, f"{self._argv[0]} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ending_with_us(), *self._argv],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it with SIGTERM, and after a while with SIGKILL. May be called twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with SIGKILL. Without effect if it was never started, or has ended."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
