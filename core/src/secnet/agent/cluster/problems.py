"""What is wrong with a source of objects, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from secnet.contract import SecnetError

from ..base.clock import rfc3339
from ..model.problem import Problem

__all__ = ["ProblemList", "ProblemText", "problem_text"]


class ProblemText(NamedTuple):
    """A problem without its time."""

    source: str
    message: str
    hint: str
    note: bool = False


def problem_text(error: SecnetError, source: str, consequence: str = "") -> ProblemText:
    """An error as a problem; `source` stands in where the error names no object."""
    message = f"{error.path}: {error.message}" if error.path else error.message
    return ProblemText(error.subject or source, message, f"{error.hint}{consequence}")


class ProblemList:
    """The problems of one source. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[ProblemText, Problem] = {}

    def current(self) -> tuple[Problem, ...]:
        """All problems now."""
        with self._lock:
            return tuple(self._current.values())

    def update(self, now: Iterable[ProblemText]) -> None:
        """These are the problems now; those that were there before keep their time."""
        since = rfc3339(self._clock())
        with self._lock:
            before = self._current
            self._current = {item: before.get(item) or Problem(**item._asdict(), since=since) for item in now}
