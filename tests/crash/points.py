"""Runs all kill points of a scenario, on several scenes at once."""

from __future__ import annotations

import itertools
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from secnet_conformance.steps import StepPoint
from secnet_testing.killable_agent import kill_points

from .scenarios import Scenario
from .scene import Scene, play_scene

__all__ = ["run_points"]

MakeScenario = Callable[[Scene], Scenario]
_SCENES = 3
"""More than cores: a case waits as much as it computes."""


class _Work:
    """The points of a scenario, handed out one by one, and what went wrong at each. Thread-safe.

    Each scene finds the points in a clean run of its own; all must find the same, in whatever order.
    """

    def __init__(self, turn: slice) -> None:
        self._lock = threading.Lock()
        self._next = itertools.count()
        self._turn = turn
        self._all: list[StepPoint] | None = None
        self.points: list[StepPoint] | None = None
        self.failures: list[str] = []

    def agree(self, points: list[StepPoint]) -> None:
        with self._lock:
            if self._all is None:
                self._all, self.points = points, points[self._turn]
            differing = sorted(str(point) for point in {*points} ^ {*self._all})
            assert not differing, f"two clean runs did different steps: {', '.join(differing)}"

    def take(self) -> StepPoint | None:
        with self._lock:
            assert self.points is not None
            return next(itertools.islice(self.points, index := next(self._next), index + 1), None)

    def fail(self, point: StepPoint, lines: list[str]) -> None:
        with self._lock:
            self.failures.extend(f"{point}: {line}" for line in lines)


def run_points(
    make: MakeScenario, folder: Path, *, scenes: int = _SCENES, turn: slice = slice(None)
) -> tuple[list[StepPoint], list[str]]:
    """The kill points of a scenario; returns those that were tried, and one line for each thing that was wrong at one of them.

    turn: which of all points are tried.
    """
    work = _Work(turn)
    with ThreadPoolExecutor(scenes) as pool:
        for future in [pool.submit(_worker, make, folder / f"scene-{n}", work) for n in range(scenes)]:
            future.result()
    assert work.points is not None
    return work.points, work.failures


def _worker(make: MakeScenario, folder: Path, work: _Work) -> None:
    """Go on with a new scene after a failure: what is left of it must not count against the next point."""
    for life in itertools.count():
        with play_scene(folder / str(life)) as scene:
            scenario = make(scene)
            scenario.dry_run()
            work.agree(kill_points(scenario.steps))
            while True:
                point = work.take()
                if point is None:
                    return
                if lines := _case(scenario, point):
                    work.fail(point, lines)
                    break


def _case(scenario: Scenario, point: StepPoint) -> list[str]:
    try:
        return scenario.case(point)
    except Exception:
        return [f"{traceback.format_exc()}\n{scenario.node.logs()}"]
