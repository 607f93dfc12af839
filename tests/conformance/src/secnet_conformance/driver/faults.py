"""A failure or a sudden death anywhere: `detach` brings the host back to what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secnet.contract import Attachment
from secnet.linux.snapshot import HostSnapshot, diff

from ..netns import Namespace
from ..steps import At, Recorder, StepPoint, fail, points_around
from .lab import DriverLab, DriverTests

__all__ = ["Crashes", "Faults"]


class Faults(DriverTests):
    """An exception before and after each step."""

    group = "faults"

    def test_every_prefix_of_attach_is_undone_by_detach(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            return _faulty(lab, driver.attach, attachment, point)

        _try_all(lab, _steps(lab)[0], trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_what_failed_anywhere_can_be_detached_and_attached(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            trouble = _faulty(lab, driver.attach, attachment, point)
            driver.detach(attachment, lab.call())
            driver.attach(attachment, lab.call())
            lab.up(attachment)
            lab.clean_check(driver, attachment)
            return trouble

        _try_all(lab, _steps(lab)[0], trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_a_detach_that_failed_anywhere_is_finished_by_the_next(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            driver.attach(attachment, lab.call())
            return _faulty(lab, driver.detach, attachment, point)

        _try_all(lab, _steps(lab)[1], trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_every_change_stands_in_a_step(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.plan(driver, lab.request(pod))
        found: list[str] = []
        for name, method in (("attach", driver.attach), ("detach", driver.detach)):
            watch = _Watch(lambda: lab.picture(pod))
            method(attachment, lab.call(watch))
            found += [f"{name}: {line}" for line in watch.end()]
        assert not found, "\n".join(("changes outside of any step:", *found))


class Crashes(DriverTests):
    """SIGKILL before and after each step; the next process has nothing but the record."""

    group = "crashes"

    def test_a_process_killed_anywhere_in_attach_is_undone_by_the_next(self, lab: DriverLab) -> None:
        def trial(attachment: Attachment, point: StepPoint) -> str:
            return "" if lab.child("attach", attachment, kill=point).killed else "attach never came to this point"

        _try_all(lab, _steps(lab)[0], trial, lambda item: lab.child("detach", item).expect("detach"))

    def test_a_process_killed_anywhere_in_detach_is_followed_by_the_next(self, lab: DriverLab) -> None:
        def trial(attachment: Attachment, point: StepPoint) -> str:
            lab.child("attach", attachment).expect("attach")
            return "" if lab.child("detach", attachment, kill=point).killed else "detach never came to this point"

        _try_all(lab, _steps(lab)[1], trial, lambda item: lab.child("detach", item).expect("detach"))


class _Watch:
    """Takes a picture at each boundary of the outermost steps and compares those with no step between them."""

    def __init__(self, look: Callable[[], HostSnapshot]) -> None:
        self._look = look
        self._last, self._since = look(), "the beginning"
        self._depth = 0
        self._found: list[str] = []

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._compare(f"the step {name}")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._last, self._since = self._look(), f"the step {name}"

    def end(self) -> list[str]:
        self._compare("the end")
        return self._found

    def _compare(self, moment: str) -> None:
        lines = diff(self._last, self._look())
        self._found += [f"between {self._since} and {moment}: {line}" for line in lines]


def _steps(lab: DriverLab) -> tuple[list[StepPoint], list[StepPoint]]:
    """The points around all steps of an attach and of a detach that nothing disturbs."""
    driver, pod, forth, back = lab.driver(), lab.pod(), Recorder(), Recorder()
    attachment = lab.plan(driver, lab.request(pod))
    driver.attach(attachment, lab.call(forth))
    driver.detach(attachment, lab.call(back))
    assert forth.names, "attach makes no step: each change to the host stands in one"
    return points_around(forth.names), points_around(back.names)


def _faulty(lab: DriverLab, method: Callable[..., object], attachment: Attachment, point: StepPoint) -> str:
    """Call the method with a fault at the point; what is wrong with how it behaved."""
    observer = At(point, fail)
    try:
        method(attachment, lab.call(observer))
    except Exception:  # the fault, or an error of the contract made of it
        return "" if observer.reached else f"{method.__name__} failed before it came to this point"
    return "the failure of the step was swallowed" if observer.reached else "the step never came"


def _try_all(
    lab: DriverLab,
    points: list[StepPoint],
    trial: Callable[[Attachment, StepPoint], str],
    detach: Callable[[Attachment], object],
) -> None:
    """Each point in turn, in a new sandbox after one that went wrong; then all that went wrong together."""
    found: list[str] = []
    pod: Namespace | None = None
    for point in points:
        pod = pod or lab.pod()
        before = lab.picture(pod)
        lines = _one(lab, point, pod, trial, detach)
        lines += diff(before, lab.picture(pod))
        if lines:
            found += [f"{point}: {line}" for line in lines]
            pod = None
    assert not found, "\n".join(("what is left after detach:", *found))


def _one(
    lab: DriverLab,
    point: StepPoint,
    pod: Namespace,
    trial: Callable[[Attachment, StepPoint], str],
    detach: Callable[[Attachment], object],
) -> list[str]:
    try:
        attachment = lab.plan(lab.driver(), lab.request(pod))
        lines = [text] if (text := trial(attachment, point)) else []
        detach(attachment)
    except Exception as exc:  # an AssertionError too: the other points are still to be tried
        return [f"{type(exc).__name__}: {exc}"]
    return lines
