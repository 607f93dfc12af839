"""A failure or a sudden death anywhere: `detach` brings the host back to what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from secnet.contract import Attachment, NetworkDriver

from ..netns import Namespace
from ..snapshot import diff
from ..steps import At, Recorder, StepPoint, fail, points_around
from .halves import files_of, inventory_problem
from .lab import DriverLab, DriverTests
from .watch import Watch

__all__ = ["Crashes", "Faults"]

_Place = tuple[Mapping[str, Any], StepPoint]
"""Options, and a point in the run of an attach or detach with them."""


class Faults(DriverTests):
    """An exception before and after each step."""

    group = "faults"

    def test_every_prefix_of_attach_is_undone_by_detach(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            return _faulty(lab, driver.attach, attachment, point) or inventory_problem(lab, attachment)

        _try_all(lab, _points(lab, "attach"), trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_what_failed_anywhere_can_be_detached_and_attached(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            problem = _faulty(lab, driver.attach, attachment, point)
            driver.detach(attachment, lab.call())
            driver.attach(attachment, lab.call())
            lab.up(attachment)
            lab.clean_check(driver, attachment)
            return problem

        _try_all(lab, _points(lab, "attach"), trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_a_detach_that_failed_anywhere_is_finished_by_the_next(self, lab: DriverLab) -> None:
        driver = lab.driver()

        def trial(attachment: Attachment, point: StepPoint) -> str:
            driver.attach(attachment, lab.call())
            return _faulty(lab, driver.detach, attachment, point) or inventory_problem(lab, attachment)

        _try_all(lab, _points(lab, "detach"), trial, lambda attachment: driver.detach(attachment, lab.call()))

    def test_every_change_stands_in_a_step(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        found: list[str] = []
        for options in lab.case.good:
            found += self._outside(lab, driver, pod, options)
        assert not found, "\n".join(("changes outside of any step:", *found))

    def _outside(self, lab: DriverLab, driver: NetworkDriver, pod: Namespace, options: Mapping[str, Any]) -> list[str]:
        attachment = lab.plan(driver, lab.request(pod, options))
        found: list[str] = []
        for name, method in (("attach", driver.attach), ("detach", driver.detach)):
            watch = Watch(lambda: lab.at_once(pod))
            method(attachment, lab.call(watch))
            found += [f"{name} with {dict(options)}: {line}" for line in watch.end()]
        return found


class Crashes(DriverTests):
    """SIGKILL before and after each step; the next process has nothing but the record."""

    group = "crashes"

    def test_a_process_killed_anywhere_in_attach_is_undone_by_the_next(self, lab: DriverLab) -> None:
        def trial(attachment: Attachment, point: StepPoint) -> str:
            killed = lab.child("attach", attachment, kill=point).killed
            return inventory_problem(lab, attachment) if killed else "attach never came to this point"

        _try_all(lab, _points(lab, "attach"), trial, lambda item: lab.child("detach", item).expect("detach"))

    def test_a_process_killed_anywhere_in_detach_is_followed_by_the_next(self, lab: DriverLab) -> None:
        def trial(attachment: Attachment, point: StepPoint) -> str:
            lab.child("attach", attachment).expect("attach")
            killed = lab.child("detach", attachment, kill=point).killed
            return inventory_problem(lab, attachment) if killed else "detach never came to this point"

        _try_all(lab, _points(lab, "detach"), trial, lambda item: lab.child("detach", item).expect("detach"))


def _points(lab: DriverLab, method: str) -> list[_Place]:
    """Around each step of an undisturbed attach or detach: with the first options, and with those that do other steps."""
    found: list[_Place] = []
    known: list[list[str]] = []
    driver, pod = lab.driver(), lab.pod()
    for options in lab.case.good:
        steps = {"attach": Recorder(), "detach": Recorder()}
        attachment = lab.plan(driver, lab.request(pod, options))
        driver.attach(attachment, lab.call(steps["attach"]))
        driver.detach(attachment, lab.call(steps["detach"]))
        assert known or steps["attach"].names, "attach makes no step: each change to the host stands in one"
        # By name and number of times: what is done with other options may have the steps' old names.
        names = sorted(steps[method].names)
        if names not in known:
            known.append(names)
            found += [(options, point) for point in points_around(steps[method].names)]
    return found


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
    places: list[_Place],
    trial: Callable[[Attachment, StepPoint], str],
    detach: Callable[[Attachment], object],
) -> None:
    """Each point in turn, in a new sandbox after one that went wrong; then all that went wrong together.

    Files in the run directory are no part of the picture, as some are made once and stay; here all of those are there already.
    """
    found: list[str] = []
    pod: Namespace | None = None
    for options, point in places:
        pod = pod or lab.pod()
        before, files = lab.picture(pod), files_of(lab)
        lines = _one(lab, options, point, pod, trial, detach)
        lines += diff(before, lab.picture(pod))
        lines += [f"+ file in the run directory: {name}" for name in sorted(files_of(lab) - files)]
        if lines:
            found += [f"{options} {point}: {line}" for line in lines]
            pod = None
    assert not found, "\n".join(("what is left after detach:", *found))


def _one(
    lab: DriverLab,
    options: Mapping[str, Any],
    point: StepPoint,
    pod: Namespace,
    trial: Callable[[Attachment, StepPoint], str],
    detach: Callable[[Attachment], object],
) -> list[str]:
    try:
        attachment = lab.plan(lab.driver(), lab.request(pod, options))
        lines = [text] if (text := trial(attachment, point)) else []
        detach(attachment)
    except Exception as exc:  # an AssertionError too: the other points are still to be tried
        return [f"{type(exc).__name__}: {exc}"]
    return lines
