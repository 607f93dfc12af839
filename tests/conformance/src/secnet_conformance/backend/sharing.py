"""Many owners at once: no address twice, none lost, and an end when there are no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from secnet.contract import Busy, IpamLease, IpamRequest, Retryable, SecnetError, from_json

from ..suite import applies
from .addresses import must_be_usable
from .lab import BackendLab, BackendTests, info_of, recording, unchanged

__all__ = ["Exhaustion", "Unique"]

T = TypeVar("T")

_THREADS = 8
_PROCESSES = 12
_EACH = 3
_PATIENCE = 0.5
"""Seconds that a competitor waits for a competitor that will not move: a backend may lock."""


def at_once(work: Callable[[int], T], workers: int) -> list[T]:
    """Do something in several threads that begin together; the results in their order."""
    start = threading.Barrier(workers)

    def begin(worker: int) -> T:
        start.wait()
        return work(worker)

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(begin, range(workers)))


def must_all_hold(lab: BackendLab, leases: Sequence[IpamLease], requests: Sequence[IpamRequest]) -> None:
    """Every lease is noted, no address stands in two, and each can be used."""
    given = [item.address for lease in leases for item in lease.addresses]
    assert len(set(given)) == len(given), f"given twice: {sorted({item for item in given if given.count(item) > 1})}"
    must_be_usable(leases)
    for lease, request in zip(leases, requests, strict=True):
        assert lease.owner == request.owner
        lab.clean(lease, request, f"the lease of {request.owner.container_id}, after all had theirs")


class Waiting:
    """An observer that stands still before the first step of a call until it may go on."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self.arrived.set()
        self.go_on.wait(30)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        return


class Unique(BackendTests):
    """The store alone decides who wins."""

    group = "unique"

    @staticmethod
    def why_not(case: Any) -> str:
        """Only what records can be unique."""
        return recording(case)

    def test_threads_on_one_instance(self, lab: BackendLab) -> None:
        before, backend = lab.picture(), lab.backend()
        requests = [lab.request() for _ in range(_THREADS * _EACH)]

        def work(worker: int) -> list[IpamLease]:
            return [backend.allocate(request, lab.call()) for request in requests[worker * _EACH :][:_EACH]]

        leases = [lease for mine in at_once(work, _THREADS) for lease in mine]
        must_all_hold(lab, leases, requests)

        def give_back(worker: int) -> None:
            for request in requests[worker * _EACH :][:_EACH]:
                backend.release(request, lab.call())

        at_once(give_back, _THREADS)
        unchanged(before, lab.picture(), "after all were released")

    def test_processes_on_one_store(self, lab: BackendLab) -> None:
        before, requests = lab.picture(), [lab.request() for _ in range(_PROCESSES)]
        outcomes = lab.children_at_once("allocate", [(request,) for request in requests])
        values = [item.expect("allocate beside other processes") for item in outcomes]
        must_all_hold(lab, [from_json(IpamLease, value) for value in values], requests)
        for outcome in lab.children_at_once("release", [(request,) for request in requests]):
            outcome.expect("release beside other processes")
        unchanged(before, lab.picture(), "after all were released")

    def test_another_comes_between_the_decision_and_the_write(self, lab: BackendLab) -> None:
        """The first has chosen its address and stands before its first step when the second asks: the address of one differs."""
        before, waiting = lab.picture(), Waiting()
        slow, fast = lab.request(), lab.request()
        leases: list[IpamLease] = []
        with ThreadPoolExecutor(1) as threads:
            pending = threads.submit(lab.allocate, slow, waiting)
            try:
                waiting.arrived.wait(10)
                # It may as well wait for the first one until its deadline.
                with suppress(Retryable):
                    leases.append(lab.backend().allocate(fast, lab.call(seconds=_PATIENCE)))
            finally:
                waiting.go_on.set()
            first = pending.result(60)
        second = lab.allocate(fast)
        assert leases in ([], [second]), f"the second owner had {leases}, and later {second}"
        must_all_hold(lab, [first, second], [slow, fast])
        lab.release(slow)
        lab.release(fast)
        unchanged(before, lab.picture(), "after both were released")


class Exhaustion(BackendTests):
    """The small configuration of the case."""

    group = "exhaustion"

    @staticmethod
    def why_not(case: Any) -> str:
        """It needs a configuration with an end."""
        none = "" if case.small else "none in the case"
        return recording(case) or none

    def _fill(self, lab: BackendLab, spare: int) -> list[IpamRequest]:
        """Take all addresses but `spare`."""
        assert lab.case.small is not None
        config, count = lab.case.small
        requests = [lab.request(config) for _ in range(count - spare)]
        leases = [lab.allocate(request) for request in requests]
        must_all_hold(lab, leases, requests)
        return requests

    def _refused(self, lab: BackendLab, request: IpamRequest) -> SecnetError | None:
        try:
            lab.allocate(request)
        except Busy as exc:
            return exc
        return None

    def _next(self, lab: BackendLab) -> IpamRequest:
        assert lab.case.small is not None
        return lab.request(lab.case.small[0])

    def test_it_is_busy_when_all_addresses_are_given(self, lab: BackendLab) -> None:
        before = lab.picture()
        requests = self._fill(lab, spare=0)
        full, late = lab.picture(), self._next(lab)
        error = self._refused(lab, late)
        assert error is not None, "it gave more leases than there are"
        assert error.hint, f"no hint what to do about: {error.message}"
        unchanged(full, lab.picture(), "after the refusal")
        assert self._refused(lab, requests[0]) is None, "an owner does not get the lease again that it holds"
        for request in (late, *requests):
            lab.release(request)
        unchanged(before, lab.picture(), "after all were released")

    @applies(lambda case: "" if info_of(case).kinds else "it declares no kinds")
    def test_the_refusal_names_the_objects_that_it_waits_for(self, lab: BackendLab) -> None:
        """A change of one of them wakes the Pod; the core never reads the message for that."""
        requests = self._fill(lab, spare=0)
        late = self._next(lab)
        error = self._refused(lab, late)
        assert error is not None, "it gave more leases than there are"
        assert error.waits_for, f"waits_for is empty: {error}"
        kinds = {(kind.group, kind.kind) for kind in lab.info.kinds}
        undeclared = [str(ref) for ref in error.waits_for if (ref.group, ref.kind) not in kinds]
        assert not undeclared, f"it waits for {', '.join(undeclared)}, of kinds that it does not declare"
        for request in (late, *requests):
            lab.release(request)

    def test_a_released_address_serves_the_next(self, lab: BackendLab) -> None:
        requests = self._fill(lab, spare=0)
        lab.release(requests[1 % len(requests)])
        late = self._next(lab)
        assert self._refused(lab, late) is None, "an address was released, and the next owner is refused"
        assert self._refused(lab, self._next(lab)) is not None, "one address was released, and two were given"
        for request in (late, *requests):
            lab.release(request)

    def test_the_last_address_goes_to_one_of_all_who_want_it(self, lab: BackendLab) -> None:
        before = lab.picture()
        requests = self._fill(lab, spare=1)
        racers = [self._next(lab) for _ in range(_THREADS)]
        backends = [lab.backend() for _ in racers]

        def race(worker: int) -> IpamLease | None:
            with suppress(Busy):
                return backends[worker].allocate(racers[worker], lab.call())
            return None

        won = [lease for lease in at_once(race, _THREADS) if lease is not None]
        assert len(won) == 1, (
            f"{len(won)} of {_THREADS} owners got the last address: {[item.addresses for item in won]}"
        )
        for request in (*racers, *requests):
            lab.release(request)
        unchanged(before, lab.picture(), "after all were released")
