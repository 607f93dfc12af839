"""What is wrong with a source of objects: since when, in the log once, and in a file where other processes find it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from secnet.contract import SecnetError

from .base import Problem
from .clock import rfc3339

__all__ = ["ProblemList", "Said", "published_problems", "said"]

_log = logging.getLogger(__name__)

_FOLDER = "problems"


class Said(NamedTuple):
    """A problem without its time."""

    source: str
    message: str
    hint: str
    note: bool = False


def said(error: SecnetError, source: str, consequence: str = "") -> Said:
    """An error as a problem; `source` stands in where the error names no object."""
    message = f"{error.path}: {error.message}" if error.path else error.message
    return Said(error.subject or source, message, f"{error.hint}{consequence}")


class ProblemList:
    """The problems of one source. A file that cannot be written only hides them from other processes."""

    def __init__(self, state_dir: Path, source: str, clock: Callable[[], float]) -> None:
        self._path = state_dir / _FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.json"
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[Said, Problem] | None = None

    def current(self) -> tuple[Problem, ...]:
        """All problems now."""
        with self._lock:
            return tuple((self._current or {}).values())

    def update(self, now: Iterable[Said]) -> None:
        """These are the problems now; those that were there before keep their time."""
        time = rfc3339(self._clock())
        with self._lock:
            before = self._current
            self._current = {item: (before or {}).get(item) or Problem(**item._asdict(), since=time) for item in now}
            new = [problem for item, problem in self._current.items() if item not in (before or {})]
            solved = [problem for item, problem in (before or {}).items() if item not in self._current]
            if new or solved or before is None:
                self._publish()
        for problem in new:
            _log.log(logging.INFO if problem.note else logging.WARNING, "%s", problem)
        for problem in solved:
            _log.info("no longer so: %s: %s", problem.source, problem.message)

    def withdraw(self) -> None:
        """Nobody looks any more: take the file away."""
        with suppress(OSError):
            self._path.unlink()

    def _publish(self) -> None:
        data = json.dumps([dataclasses.asdict(problem) for problem in (self._current or {}).values()])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(data, encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError as exc:
            _log.warning("cannot write %s: %s", self._path, exc)


def published_problems(state_dir: Path) -> tuple[Problem, ...]:
    """The problems that any process found and has not withdrawn."""
    found: list[Problem] = []
    for path in sorted((state_dir / _FOLDER).glob("*.json")):
        with suppress(OSError, ValueError, TypeError):  # being withdrawn, or of another version
            found.extend(Problem(**item) for item in json.loads(path.read_text(encoding="utf-8")))
    return tuple(found)
