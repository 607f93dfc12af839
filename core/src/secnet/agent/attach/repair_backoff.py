"""How often one attachment may be repaired of the same drift, where something else keeps breaking it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from secnet.contract import AttachmentId, Finding

from ..base.backoff import Backoff

__all__ = ["RepairBackoff"]

_AT_ONCE = 3
_FORGET_SECONDS = 1800.0
_BACKOFF = Backoff(60.0, 900.0, jitter=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repairs:
    codes: frozenset[str]
    count: int
    last: float


class RepairBackoff:
    """Three repairs of the same findings at once, each further one after 1, 2, 4 up to 15 minutes. Thread-safe.

    Other findings, or half an hour without a repair, begin a new count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._repairs: dict[AttachmentId, _Repairs] = {}

    def wait(self, key: AttachmentId, findings: Iterable[Finding]) -> float:
        """Seconds until these findings of an attachment may be repaired; 0 for now."""
        known = self._known(key, _codes(findings))
        if known is None or known.count < _AT_ONCE:
            return 0.0
        return max(0.0, known.last + _BACKOFF.after(known.count - _AT_ONCE + 1) - self._clock())

    def count(self, key: AttachmentId, findings: Iterable[Finding]) -> int:
        """How many repairs of these findings there were in a row."""
        known = self._known(key, _codes(findings))
        return known.count if known is not None else 0

    def note(self, key: AttachmentId, findings: Iterable[Finding]) -> None:
        """A repair of these findings ended, with success or not."""
        codes = _codes(findings)
        count = self.count(key, findings) + 1
        with self._lock:
            self._repairs[key] = _Repairs(codes=codes, count=count, last=self._clock())

    def forget(self, key: AttachmentId) -> None:
        """The attachment is gone."""
        with self._lock:
            self._repairs.pop(key, None)

    def _known(self, key: AttachmentId, codes: frozenset[str]) -> _Repairs | None:
        with self._lock:
            known = self._repairs.get(key)
        if known is None or known.codes != codes or self._clock() - known.last > _FORGET_SECONDS:
            return None
        return known


def _codes(findings: Iterable[Finding]) -> frozenset[str]:
    return frozenset(finding.code for finding in findings)
