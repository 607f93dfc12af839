"""Traffic in the background: was any of it lost while something else happened?"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from secnet.linux.netns import in_netns

from .netns import Namespace

__all__ = ["Traffic", "traffic"]

_REPLY = re.compile(rb"icmp_seq=(\d+) ")
_END_SECONDS = 10.0


class Traffic:
    """Echo requests that follow each other closely; what is counted are the gaps in the numbers of the replies."""

    def __init__(self, process: subprocess.Popen[bytes], target: str) -> None:
        self._process = process
        self._target = target
        self._lock = threading.Lock()
        self._replies: set[int] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def replies(self) -> int:
        """Replies so far."""
        with self._lock:
            return len(self._replies)

    @property
    def lost(self) -> int:
        """Requests without a reply, of those before the last reply: the newest ones may still be on their way."""
        with self._lock:
            return max(self._replies, default=0) - len(self._replies)

    def flows(self, replies: int = 5, *, within: float = 10.0) -> None:
        """Wait for this many more replies; AssertionError when they do not come. Call it after what is under test."""
        wanted = self.replies + replies
        deadline = time.monotonic() + within
        while self.replies < wanted:
            assert self._process.poll() is None, "ping has ended"
            assert time.monotonic() < deadline, f"{self._target} does not answer any more"
            time.sleep(0.01)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_END_SECONDS)
        self._reader.join(_END_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if (found := _REPLY.search(line)) and b"bytes from" in line:
                    with self._lock:
                        self._replies.add(int(found[1]))


@contextmanager
def traffic(ns: Namespace, target: str, *, interval: float = 0.01, source: str | None = None) -> Iterator[Traffic]:
    """Ping `target` from a namespace each `interval` seconds; begins with the first replies."""
    argv = ["ping", "-n", "-i", str(interval), *(["-I", source] if source else []), target]
    with ns.open() as fd:
        process = in_netns(
            fd, lambda: subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        )
    running = Traffic(process, target)
    try:
        running.flows()
        yield running
    finally:
        running.close()
