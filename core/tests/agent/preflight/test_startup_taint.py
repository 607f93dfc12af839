"""The taint of a Node that joins goes when its agent is ready, and not before."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from secnet.agent.preflight import startup_taint
from secnet.agent.preflight.startup_taint import STARTUP_TAINT, StartupTaint
from secnet.contract import MissingPrivilege


class Nodes:
    """Stands in for a cluster, for whose requests there are tests of its own: what counts here is when it is asked."""

    def __init__(self) -> None:
        self.keys = {STARTUP_TAINT, "other"}
        self.error: Exception | None = None
        self.looks = 0

    def remove_taint(self, node: str, key: str) -> bool:
        assert node == "worker-1"
        self.looks += 1
        if self.error is not None:
            raise self.error
        found = key in self.keys
        self.keys.discard(key)
        return found


class Scene:
    """Runs the thread's function without waiting: each pause is taken down, and the clock goes on by it."""

    def __init__(self) -> None:
        self.nodes, self.now, self.ready_after = Nodes(), 0.0, 0
        self.pauses: list[float] = []
        cluster: Any = self.nodes
        self.taint = StartupTaint(cluster, "worker-1", ready=self.ready, clock=lambda: self.now)

    def ready(self) -> bool:
        return len(self.pauses) >= self.ready_after

    def run(self, most: int = 1000) -> None:
        self.taint.run(_Stop(self, most))


class _Stop(threading.Event):
    def __init__(self, scene: Scene, most: int) -> None:
        super().__init__()
        self._scene, self._most = scene, most

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._scene.pauses.append(timeout)
        self._scene.now += timeout
        return len(self._scene.pauses) >= self._most


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_stays_until_the_agent_is_ready(scene: Scene) -> None:
    scene.ready_after = 3
    scene.run(most=3)
    assert (scene.nodes.looks, STARTUP_TAINT in scene.nodes.keys) == (0, True)
    scene.run(most=4)
    assert (scene.nodes.looks, scene.nodes.keys) == (1, {"other"})


def test_it_is_looked_for_in_the_first_minutes_and_then_no_more(scene: Scene) -> None:
    scene.run()
    assert scene.now == startup_taint._LOOKS_FOR_SECONDS
    assert scene.nodes.looks == len(scene.pauses) == 10


def test_what_keeps_it_there_is_shown_and_tried_again(scene: Scene) -> None:
    scene.nodes.error = MissingPrivilege("no right to patch", hint="allow it")
    scene.run(most=3)
    (problem,) = scene.taint.problems()
    assert f"its taint {STARTUP_TAINT} cannot be removed: no right to patch" in str(problem)
    assert scene.nodes.looks == 3
    assert all(pause < 60 for pause in scene.pauses)
    scene.nodes.error = None
    scene.run(most=4)
    assert (scene.taint.problems(), scene.nodes.keys) == ((), {"other"})
