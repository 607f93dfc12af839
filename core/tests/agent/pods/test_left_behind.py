"""What goes on although the work for one Pod does not end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

import pytest
from secnet.agent.base.queue import WorkQueue
from secnet.agent.plugins.calls import PluginStuck, StuckCall
from secnet.agent.pods._left_behind import LeftBehind
from secnet.agent.pods._recovery import Recovery
from secnet.agent.pods._resync import ResyncScheduler
from secnet.contract import Call, Timeout

HANGS, OTHER = ("default", "hangs"), ("default", "other")
CALL = StuckCall(
    number=1,
    kind="network_type",
    name="toy",
    distribution="toy-dist",
    label="driver toy (toy-dist 1.2)",
    method="attach",
    allowed=30.0,
)


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not reached in 10 s"
        time.sleep(0.005)


class Scene:
    """One worker, which comes to no end with one of the Pods before it may."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[Hashable] = []
        self.queue = WorkQueue(self.handle, 1)
        self.recovery, self.checks = Recovery(), ResyncScheduler(self.queue)
        self.left_behind = LeftBehind(self.queue, self.recovery, self.checks)

    def handle(self, key: Hashable) -> None:
        self.begun.append(key)
        if key == HANGS:
            self.gate.wait(30)


def test_worker_recovery_and_checks_go_on_without_it() -> None:
    scene = Scene()
    scene.recovery.begin([HANGS])
    scene.queue.start()
    scene.checks.resync_in_turn([HANGS, OTHER])
    _wait(lambda: scene.begun == [HANGS])
    try:
        scene.left_behind.begin(HANGS, CALL)
        assert scene.recovery.done.is_set()
        _wait(lambda: scene.begun == [HANGS, OTHER])
    finally:
        scene.gate.set()
    scene.left_behind.end(HANGS)
    _wait(lambda: scene.begun == [HANGS, OTHER, HANGS])
    assert scene.queue.stop(10)


def test_who_wants_the_pod_learns_what_keeps_it() -> None:
    scene = Scene()
    scene.queue.start()
    scene.queue.add(HANGS)
    _wait(lambda: scene.begun)
    try:
        with pytest.raises(Timeout), scene.left_behind.hold(HANGS, Call.within(0.01)):
            pass
        scene.left_behind.begin(HANGS, CALL)
        with pytest.raises(PluginStuck, match="driver toy"), scene.left_behind.hold(HANGS, Call.within(0.01)):
            pass
        with scene.left_behind.hold(OTHER, Call.within(10)):
            pass
    finally:
        scene.gate.set()
    _wait(lambda: len(scene.queue) == 0)
    scene.left_behind.end(HANGS)
    with scene.left_behind.hold(HANGS, Call.within(10)):
        pass
    assert scene.queue.stop(10)
