"""Recovery: whether every Pod that an earlier agent left was reconciled. CNI calls are served only then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from ..model.pod import PodKey

__all__ = ["Recovery"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


class Recovery:
    """Counts down the Pods that had a record when the agent started. `done` is set at the end. Thread-safe."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._left: set[PodKey] = set()

    def begin(self, pods: Iterable[PodKey]) -> None:
        """These are to be reconciled."""
        with self._lock:
            self._left = set(pods)
            count = len(self._left)
            if not count:
                self.done.set()
        if count:
            _log.info("taking up the networks of %d Pod%s that an earlier agent left", count, "" if count == 1 else "s")

    def note(self, pod: PodKey) -> None:
        """This one was reconciled, with success or not."""
        with self._lock:
            if pod in self._left:
                self._left.discard(pod)
                if not self._left:
                    _log.info("all of them are taken up")
                    self.done.set()

    def limit(self, seconds: float, stop: threading.Event) -> None:
        """Wait for the end, but not longer: one driver that hangs for one Pod must not keep all new Pods from starting."""
        deadline = time.monotonic() + seconds
        while not self.done.wait(_POLL_SECONDS) and not stop.is_set():
            if time.monotonic() > deadline:
                with self._lock:
                    left = ", ".join("/".join(key) for key in sorted(self._left))
                _log.error("the recovery of %s takes too long; new Pods are served all the same", left)
                self.done.set()
