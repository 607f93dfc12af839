"""Observers of steps: record them, or do something at one of them.

A point is just before or just after the `number`th step of a name in the life of an observer.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ANY", "At", "Fault", "Recorder", "StepCounter", "StepPoint", "die", "fail", "points_around"]

ANY = "*"
"""In the place of a step's name: counts all steps together."""


class Fault(Exception):
    """The failure that the kit injects. No error of the contract: whatever may happen must be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPoint:
    """A place in a run; written `NAME#NUMBER:MOMENT`, with the moment `before` or `after`."""

    name: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.name}#{self.number}:{self.moment}"

    @classmethod
    def parse(cls, text: str) -> StepPoint:
        """The opposite of `str`."""
        step, _, moment = text.rpartition(":")
        name, _, number = step.rpartition("#")
        if not name or moment not in ("before", "after"):
            raise ValueError(f"{text!r} is not NAME#NUMBER:before or NAME#NUMBER:after")
        return cls(name=name, number=int(number), moment=moment)


def points_around(names: Iterable[str]) -> list[StepPoint]:
    """Before and after each step of a run, given the steps' names in order."""
    counts: Counter[str] = Counter()
    points = []
    for name in names:
        counts[name] += 1
        points += [StepPoint(name=name, number=counts[name], moment=moment) for moment in ("before", "after")]
    return points


class StepCounter:
    """Numbers the steps of each name; a step keeps its number from before to after, also beside other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._running = threading.local()

    def begin(self, name: str) -> dict[str, int]:
        """A step begins: its number among those of its name, and among all (under ANY)."""
        with self._lock:
            self._counts.update((name, ANY))
            numbers = {name: self._counts[name], ANY: self._counts[ANY]}
        self._stack().append(numbers)
        return numbers

    def end(self, name: str) -> dict[str, int]:
        """A step came to its end: the numbers that it began with."""
        # A step that failed never comes to its end: its numbers lie above those of the step around it.
        stack = self._stack()
        while stack:
            if name in (numbers := stack.pop()):
                return numbers
        return {}

    def _stack(self) -> list[dict[str, int]]:
        if not hasattr(self._running, "stack"):
            self._running.stack = []
        stack: list[dict[str, int]] = self._running.stack
        return stack


class Recorder:
    """Notes the names of the steps in the order in which they began."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self.names.append(name)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        return


class At:
    """Does something at a point, once; `reached` says whether it was."""

    def __init__(self, point: StepPoint, act: Callable[[StepPoint], object]) -> None:
        self.reached = False
        self._point = point
        self._act = act
        self._counter = StepCounter()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._look(self._counter.begin(name), "before")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._look(self._counter.end(name), "after")

    def _look(self, numbers: Mapping[str, int], moment: str) -> None:
        if moment == self._point.moment and numbers.get(self._point.name) == self._point.number:
            self.reached = True
            self._act(self._point)


def fail(point: StepPoint) -> None:
    """Raise the kit's Fault."""
    raise Fault(f"injected {point}")


def die(point: StepPoint) -> None:
    """End this process as a power cut would end it: nothing of it runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # the signal ends the process before anything else of it runs
