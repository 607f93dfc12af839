"""An end before and after each step: nothing leaks, nothing is given twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from secnet.contract import IpamLease, IpamRequest, SecnetError, from_json

from ..snapshot import HostSnapshot, diff
from ..steps import At, Recorder, StepPoint, fail, points_around
from ..suite import applies
from .lab import BackendLab, BackendTests, addresses_of, info_of, recording, unchanged
from .stores import Counted, Deaf

__all__ = ["Crash"]


class Boundaries:
    """An observer that looks where no step is running: what changes there changes unseen."""

    def __init__(self, picture: Callable[[], HostSnapshot]) -> None:
        self.faults: list[str] = []
        self._picture = picture
        self._known = picture()
        self._where = "before the first step"

    def look(self) -> None:
        """Compare with the end of the last step."""
        lines = diff(self._known, self._picture())
        if lines:
            self.faults.append("\n".join((f"changed {self._where}:", *lines)))

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self.look()

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._known, self._where = self._picture(), f"after the step {name}"


class Crash(BackendTests):
    """Each point around each step of allocate and release, by a kill and by a failure."""

    group = "crashes"

    @staticmethod
    def why_not(case: Any) -> str:
        """Who records nothing leaves nothing."""
        return recording(case)

    def test_every_write_stands_inside_a_step(self, lab: BackendLab) -> None:
        request = lab.request()
        for work in (lab.allocate, lab.release):
            boundaries = Boundaries(lab.picture)
            work(request, boundaries)
            boundaries.look()
            assert not boundaries.faults, "\n".join(boundaries.faults)

    @applies(lambda case: "" if info_of(case).kinds else "it declares no kinds")
    def test_each_step_makes_one_change_of_the_store(self, lab: BackendLab) -> None:
        """Only so a crash before and after each step is a crash before and after each write."""
        request, store = lab.request(), Counted(lab.host.objects)
        lab.backend(store).allocate(request, lab.call(store))
        lab.backend(store).release(request, lab.call(store))
        assert not store.faults, "\n".join(store.faults)

    def test_an_allocation_that_was_killed_is_released(self, lab: BackendLab) -> None:
        before = lab.picture()
        with Faults() as faults:
            for point in _points(lab, "allocate"):
                request = lab.request()
                faults.unless(lab.killed("allocate", request, point), point, "the process lived on")
                lab.child("release", request).expect(f"release after a kill {point}")
                faults.compare(before, lab.picture(), point)

    def test_an_allocation_that_was_killed_is_completed_by_the_next(self, lab: BackendLab) -> None:
        with Faults() as faults:
            for point in _points(lab, "allocate"):
                request = lab.request()
                clean = _undisturbed(lab, request)
                before = lab.picture()
                lab.killed("allocate", request, point)
                outcome = lab.child("allocate", request).expect(f"allocate after a kill {point}")
                lease = from_json(IpamLease, outcome)
                faults.unless(
                    _holds_exactly(lab, lease, request), point, "the owner holds something else than its lease"
                )
                if clean is not None:
                    faults.compare(clean, lab.picture(), point)
                lab.release(request)
                faults.compare(before, lab.picture(), point)

    def test_a_release_that_was_killed_is_completed_by_the_next(self, lab: BackendLab) -> None:
        before = lab.picture()
        with Faults() as faults:
            for point in _points(lab, "release"):
                request = lab.request()
                lab.allocate(request)
                faults.unless(lab.killed("release", request, point), point, "the process lived on")
                lab.child("release", request).expect(f"release after a kill {point}")
                faults.compare(before, lab.picture(), point)

    def test_an_allocation_that_failed_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        before = lab.picture()
        with Faults() as faults:
            for point in _points(lab, "allocate"):
                request, at = lab.request(), At(point, fail)
                with suppress(Exception):  # whatever it makes of the fault
                    lease = lab.allocate(request, at)
                    lab.clean(lease, request, f"a lease in spite of a fault {point}")
                faults.unless(at.reached, point, "it never came there")
                lab.release(request)
                faults.compare(before, lab.picture(), point)

    def test_a_release_that_failed_is_completed_by_the_next(self, lab: BackendLab) -> None:
        before = lab.picture()
        with Faults() as faults:
            for point in _points(lab, "release"):
                request, at = lab.request(), At(point, fail)
                lab.allocate(request)
                try:
                    lab.release(request, at)
                except Exception:  # whatever it makes of the fault
                    faults.unless(at.reached, point, "it never came there")
                else:
                    faults.compare(before, lab.picture(), point)
                lab.release(request)
                faults.compare(before, lab.picture(), point)

    @applies(lambda case: "" if info_of(case).kinds else "it declares no kinds")
    def test_a_write_whose_answer_was_lost_leaves_nothing_after_release(self, lab: BackendLab) -> None:
        """The store did it and the connection ended: the backend cannot know. Each write in turn."""
        before = lab.picture()
        for number in itertools.count(1):
            request, store = lab.request(), Deaf(lab.host.objects, number)
            try:
                lease = lab.backend(store).allocate(request, lab.call())
            except SecnetError:
                pass
            else:
                lab.clean(lease, request, f"a lease in spite of a lost answer to write {number}")
            lab.release(request)
            unchanged(before, lab.picture(), f"after write {number} had no answer, and release")
            if not store.lost:
                break
        assert number > 1, "it never wrote"

    @applies(lambda case: "" if info_of(case).kinds else "it declares no kinds")
    def test_a_release_whose_answer_was_lost_is_completed_by_the_next(self, lab: BackendLab) -> None:
        """Each write in turn; success must mean that all was released."""
        before = lab.picture()
        for number in itertools.count(1):
            request, store = lab.request(), Deaf(lab.host.objects, number)
            lab.allocate(request)
            try:
                lab.backend(store).release(request, lab.call())
            except SecnetError:
                assert store.lost
            else:
                unchanged(before, lab.picture(), f"after a release that reports success, write {number} without answer")
            lab.release(request)
            unchanged(before, lab.picture(), "after another release")
            if not store.lost:
                break
        assert number > 1, "it never wrote"


class Faults:
    """Collects what went wrong at which point, so that one run reports all; raises at its end."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is None:
            assert not self._lines, "\n".join(self._lines)

    def unless(self, right: bool, point: StepPoint, text: str) -> None:
        """Note a fault if something is not so."""
        if not right:
            self._lines.append(f"{point}: {text}")

    def compare(self, before: HostSnapshot, after: HostSnapshot, point: StepPoint) -> None:
        """Note each difference between two pictures."""
        self._lines += [f"{point}: {line}" for line in diff(before, after)]


def _points(lab: BackendLab, method: str) -> Iterator[StepPoint]:
    """Around each step of an undisturbed run."""
    request, seen = lab.request(), {"allocate": Recorder(), "release": Recorder()}
    lab.allocate(request, seen["allocate"])
    lab.release(request, seen["release"])
    assert seen[method].names, f"{method} did no step, so it cannot be seen nor killed"
    yield from points_around(seen[method].names)


def _undisturbed(lab: BackendLab, request: IpamRequest) -> HostSnapshot | None:
    """What an allocation leaves; None if that differs from time to time, as with a backend that goes round."""
    pictures = []
    for _ in range(2):
        lab.allocate(request)
        pictures.append(lab.picture())
        lab.release(request)
    return None if diff(*pictures) else pictures[0]


def _holds_exactly(lab: BackendLab, lease: IpamLease, request: IpamRequest) -> bool:
    held = addresses_of(lab.backend().inventory(lab.call()), request.owner)
    return held == sorted(item.address for item in lease.addresses)
