"""After `close` nothing is held: no thread, no descriptor: of a file, a socket, a namespace."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

from secnet.contract import NetworkDriver

from ..netns import Namespace
from .lab import DriverLab, DriverTests

__all__ = ["Resources"]

_LIVES = 10
_SETTLE_SECONDS = 2.0


class Resources(DriverTests):
    """What a long-lived agent would run out of."""

    group = "resources"

    def test_close_leaves_nothing_open(self, lab: DriverLab) -> None:
        pod, before = lab.pod(), _held()
        driver = lab.case.driver(lab.context)
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.inventory(lab.call())
        driver.detach(attachment, lab.call())
        driver.close()
        left = _left(before)
        assert not left, f"still there after close: {', '.join(left)}"
        driver.close()

    def test_what_calls_open_does_not_add_up(self, lab: DriverLab) -> None:
        """An agent calls for months before it closes."""
        driver, pod = lab.driver(), lab.pod()
        _live(lab, driver, pod, 2)  # what is opened once and kept is there now
        before = _held()
        _live(lab, driver, pod, _LIVES)
        left = _left(before)
        assert len(left) < _LIVES, f"{_LIVES} attachments left {len(left)}: {', '.join(left)}"


def _live(lab: DriverLab, driver: NetworkDriver, pod: Namespace, times: int) -> None:
    for _ in range(times):
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.detach(attachment, lab.call())


def _held() -> set[str]:
    """Threads, children and descriptors of this process, in words."""
    gc.collect()
    held = {f"thread {thread.name}" for thread in threading.enumerate()}
    held |= {f"thread of the kernel's number {path.name}" for path in Path("/proc/self/task").iterdir()}
    for path in Path("/proc/self/fd").iterdir():
        try:
            held.add(f"descriptor {path.name} of {os.readlink(path)}")
        except FileNotFoundError:
            continue  # the one that lists the directory
    return held


def _left(before: set[str]) -> list[str]:
    """What is held more than before; a thread that was joined may be seen a little longer."""
    limit = time.monotonic() + _SETTLE_SECONDS
    while (left := sorted(_held() - before)) and time.monotonic() < limit:
        time.sleep(0.02)
    return left
