"""After `close` nothing is held: no thread, no descriptor: of a file, a socket, a namespace."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from secnet.contract import Attachment, NetworkDriver
from secnet.linux.netns import setns

from ..held import held, left_of
from ..netns import Namespace
from ..steps import At, Recorder, StepPoint, fail, points_around
from .lab import DriverLab, DriverTests

__all__ = ["Resources"]

_LIVES = 10
_FILE_LIVES = 3
_FAILING_ROUNDS = 3
_OWN_NETNS = "/proc/thread-self/ns/net"


class Resources(DriverTests):
    """What a long-lived agent would run out of."""

    group = "resources"

    def test_close_leaves_nothing_open(self, lab: DriverLab) -> None:
        pod, before = lab.pod(), held()
        driver = lab.case.driver(lab.context)
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.inventory(lab.call())
        driver.detach(attachment, lab.call())
        driver.close()
        left = left_of(before)
        assert not left, f"still there after close: {', '.join(left)}"
        driver.close()

    def test_what_calls_open_does_not_add_up(self, lab: DriverLab) -> None:
        """An agent calls for months before it closes."""
        driver, pod = lab.driver(), lab.pod()
        _live(lab, driver, pod, 2)  # what is opened once and kept is there now
        before = held()
        _live(lab, driver, pod, _LIVES)
        left = left_of(before)
        assert len(left) < _LIVES, f"{_LIVES} attachments left {len(left)}: {', '.join(left)}"

    def test_what_fails_leaves_nothing_open(self, lab: DriverLab) -> None:
        """A failure before each step: what was opened before it is closed."""
        driver, pod, steps = lab.driver(), lab.pod(), Recorder()
        attachment = lab.plan(driver, lab.request(pod))
        driver.attach(attachment, lab.call(steps))
        driver.detach(attachment, lab.call())
        points = [point for point in points_around(steps.names) if point.moment == "before"]
        _fail(lab, driver, attachment, points)  # what is opened once and kept is there now
        before = held()
        for _ in range(_FAILING_ROUNDS):
            _fail(lab, driver, attachment, points)
        left = left_of(before)
        assert len(left) < _FAILING_ROUNDS, f"{_FAILING_ROUNDS * len(points)} failures left {', '.join(left)}"

    def test_lives_leave_no_files(self, lab: DriverLab) -> None:
        """One file for each sandbox that ever was fills the run directory of an agent."""
        driver, pod, folder = lab.driver(), lab.pod(), lab.context.run_dir
        _one_life(lab, driver, pod, "files-first")  # what is made once and kept is there now
        before = {*folder.rglob("*")}
        for number in range(_FILE_LIVES):
            _one_life(lab, driver, pod, f"files-{number}")
        left = sorted(str(path.relative_to(folder)) for path in {*folder.rglob("*")} - before)
        assert len(left) < _FILE_LIVES, f"{_FILE_LIVES} attachments left {', '.join(left)}"

    def test_calls_leave_their_thread_in_its_namespace(self, lab: DriverLab) -> None:
        """Whatever else that thread of the agent does next would happen in the Pod."""
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.plan(driver, lab.request(pod))
        calls: dict[str, Callable[[], object]] = {
            "probe": driver.probe,
            "plan": lambda: driver.plan(attachment.request, lab.call()),
            "attach": lambda: driver.attach(attachment, lab.call()),
            "check": lambda: driver.check(attachment, lab.call()),
            "inventory": lambda: driver.inventory(lab.call()),
            "detach": lambda: driver.detach(attachment, lab.call()),
        }
        moved = [name for name, call in calls.items() if _moves(call)]
        assert not moved, f"called in the node's namespace, these came back in another: {', '.join(moved)}"


def _moves(call: Callable[[], object]) -> bool:
    """Whether a call ends in another network namespace than it began in. The thread is put back."""
    home = os.open(_OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        call()
        if os.stat(_OWN_NETNS).st_ino == os.fstat(home).st_ino:
            return False
        setns(home)
        return True
    finally:
        os.close(home)


def _live(lab: DriverLab, driver: NetworkDriver, pod: Namespace, times: int) -> None:
    for _ in range(times):
        attachment = lab.attach(driver, pod)
        driver.check(attachment, lab.call())
        driver.detach(attachment, lab.call())


def _fail(lab: DriverLab, driver: NetworkDriver, attachment: Attachment, points: list[StepPoint]) -> None:
    for point in points:
        # Any error: that it is raised is for the tests of faults.
        with suppress(Exception):
            driver.attach(attachment, lab.call(At(point, fail)))
        driver.detach(attachment, lab.call())


def _one_life(lab: DriverLab, driver: NetworkDriver, pod: Namespace, container_id: str) -> None:
    attachment = lab.plan(driver, lab.request(pod, container_id=container_id))
    driver.attach(attachment, lab.call())
    driver.detach(attachment, lab.call())
