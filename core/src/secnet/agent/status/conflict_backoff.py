"""How often what somebody else keeps changing is put right: at once, and ever more slowly if it never stays."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..model.pod import PodKey

__all__ = ["Restorations"]

_log = logging.getLogger(__name__)

_AT_ONCE = 5
_FIRST_SECONDS = 1.0
_LAST_SECONDS = 300.0
_FORGET_SECONDS = 600.0


@dataclass(slots=True)
class _Pod:
    told: str | None
    times: int = 0  # that it had to be told again
    last: float = 0.0
    due: float = 0.0
    said: bool = False  # in the log


class Restorations:
    """Counts for each Pod how often the same had to be told again. Thread-safe for different Pods."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pods: dict[PodKey, _Pod] = {}

    def may_tell(self, key: PodKey, text: str | None) -> bool:
        """Whether this may be written now. What is new always may."""
        with self._lock:
            pod, now = self._pods.get(key), self._clock()
            if pod is None or pod.told != text or now - pod.last >= _FORGET_SECONDS or now >= pod.due:
                return True
            said, pod.said = pod.said, True
        if not said:
            _log.warning(
                "somebody else keeps changing our entries in the network-status of Pod %s/%s: they are put right ever more "
                "slowly; look for an agent of the same nodeName or ownerTag",
                *key,
            )
        return False

    def told(self, key: PodKey, text: str | None) -> None:
        """It was written."""
        with self._lock:
            pod, now = self._pods.get(key), self._clock()
            if pod is None or pod.told != text or now - pod.last >= _FORGET_SECONDS:
                self._pods[key] = _Pod(told=text, last=now)
                return
            pod.times, pod.last = pod.times + 1, now
            if pod.times >= _AT_ONCE:
                pod.due = now + min(_LAST_SECONDS, _FIRST_SECONDS * 2.0 ** min(pod.times - _AT_ONCE, 16))

    def forget(self, key: PodKey) -> None:
        """The Pod is gone."""
        with self._lock:
            self._pods.pop(key, None)
