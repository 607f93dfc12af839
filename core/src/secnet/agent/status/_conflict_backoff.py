"""How often what another writer keeps changing is corrected: at once, and with a growing back-off if it never stays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..base.backoff import Backoff
from ..model.pod import PodKey

__all__ = ["StatusConflictBackoff"]

_log = logging.getLogger(__name__)

_AT_ONCE = 5
_BACKOFF = Backoff(1.0, 300.0, jitter=0)
_FORGET_SECONDS = 600.0


@dataclass(slots=True)
class _Pod:
    text: str | None
    times: int = 0  # that the same text had to be written again
    last: float = 0.0
    due: float = 0.0
    logged: bool = False


class StatusConflictBackoff:
    """Counts for each Pod how often the same text had to be written again. Thread-safe for different Pods."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pods: dict[PodKey, _Pod] = {}

    def may_write(self, key: PodKey, text: str | None) -> bool:
        """Whether this may be written now. A new text always may."""
        with self._lock:
            pod, now = self._pods.get(key), self._clock()
            if pod is None or pod.text != text or now - pod.last >= _FORGET_SECONDS or now >= pod.due:
                return True
            logged, pod.logged = pod.logged, True
        if not logged:
            _log.warning(
                "another writer keeps changing our entries in the network-status of Pod %s/%s: they are restored with a growing "
                "back-off; look for an agent with the same nodeName or ownerTag",
                *key,
            )
        return False

    def wrote(self, key: PodKey, text: str | None) -> None:
        """Note a write."""
        with self._lock:
            pod, now = self._pods.get(key), self._clock()
            if pod is None or pod.text != text or now - pod.last >= _FORGET_SECONDS:
                self._pods[key] = _Pod(text=text, last=now)
                return
            pod.times, pod.last = pod.times + 1, now
            if pod.times >= _AT_ONCE:
                pod.due = now + _BACKOFF.after(pod.times - _AT_ONCE + 1)

    def forget(self, key: PodKey) -> None:
        """The Pod is gone."""
        with self._lock:
            self._pods.pop(key, None)
