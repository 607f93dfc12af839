"""An end before and after each write: nothing leaked, nothing given twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, pool, request, snapshot
from ipam_testing.stores import MemoryStore
from secnet.contract import IpamLease, StoreConflict, Timeout, Unavailable


class Killed(BaseException):
    """Ends the work as a kill does: nothing of ours catches it."""


class Fault(Exception):
    """A failure of whatever kind, which is undone."""


class Recorder:
    """Counts the steps of a clean run, or ends the work at one of them."""

    def __init__(self, at: tuple[int, str] | None = None, raising: type[BaseException] = Killed) -> None:
        self.seen: list[str] = []
        self.reached = False
        self._at = at
        self._raising = raising

    def _pass(self, when: str, name: str) -> None:
        if when == "before":
            self.seen.append(name)
        if self._at == (len(self.seen) - 1, when) and not self.reached:
            self.reached = True
            raise self._raising(f"{when} {name}")

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        assert facts["pool"]
        self._pass("before", name)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._pass("after", name)


WISH = request("c1", "v4", "v6", "more")


def fresh() -> MemoryStore:
    store = MemoryStore(
        pool("v4", "10.0.0.0/24", "10.0.0.1", 24),
        pool("v6", "2001:db8::/64", "2001:db8::1", 64),
        # Overlaps with the first, so that the second look after each write takes part.
        pool("more", "10.0.0.0/25", "10.0.0.1", 24),
    )
    backend(store).allocate(request("neighbour", "v4", "v6", "more"), call())
    return store


def lease(store: MemoryStore, *observers: Recorder) -> IpamLease:
    return backend(store).allocate(WISH, call(observers=tuple(observers)))


def steps(work: Any) -> int:
    recorder = Recorder()
    work(recorder)
    return len(recorder.seen)


def release(store: MemoryStore, *observers: Recorder) -> None:
    backend(store).release(WISH, call(observers=tuple(observers)))


def allocated() -> MemoryStore:
    store = fresh()
    lease(store)
    return store


ALLOCATE = [(index, when) for index in range(steps(lambda seen: lease(fresh(), seen))) for when in ("before", "after")]
RELEASE = [
    (index, when) for index in range(steps(lambda seen: release(allocated(), seen))) for when in ("before", "after")
]


def test_there_is_a_kill_point_around_each_write_to_a_pool() -> None:
    assert len(ALLOCATE) == 6
    assert len(RELEASE) == 6


@pytest.mark.parametrize("at", ALLOCATE)
def test_a_killed_allocation_is_released_without_a_trace(at: tuple[int, str]) -> None:
    store = fresh()
    before, recorder = snapshot(store), Recorder(at)
    with pytest.raises(Killed):
        lease(store, recorder)
    assert recorder.reached
    assert snapshot(store) != before or at == (0, "before")
    release(store)
    assert snapshot(store) == before


@pytest.mark.parametrize("at", ALLOCATE)
def test_a_killed_allocation_is_completed_when_repeated(at: tuple[int, str]) -> None:
    store, clean = fresh(), allocated()
    with pytest.raises(Killed):
        lease(store, Recorder(at))
    assert lease(store) == lease(clean)
    assert snapshot(store) == snapshot(clean)


@pytest.mark.parametrize("at", ALLOCATE)
def test_a_failed_allocation_takes_back_what_it_wrote(at: tuple[int, str]) -> None:
    store = fresh()
    before, recorder = snapshot(store), Recorder(at, Fault)
    with pytest.raises(Fault):
        lease(store, recorder)
    assert recorder.reached
    assert snapshot(store) == before


@pytest.mark.parametrize("at", RELEASE)
def test_a_killed_release_is_completed_when_repeated(at: tuple[int, str]) -> None:
    store, recorder = allocated(), Recorder(at)
    with pytest.raises(Killed):
        release(store, recorder)
    assert recorder.reached
    release(store)
    assert snapshot(store) == snapshot(fresh())


@pytest.mark.parametrize("error", [Timeout, Unavailable, StoreConflict])
def test_a_write_whose_answer_was_lost_is_found_again(error: type[Exception]) -> None:
    class Deaf(MemoryStore):
        losing = True

        def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
            stored = super().update_status(obj)
            if self.losing:
                self.losing = False
                raise error("no answer")
            return stored

    store = Deaf(pool("v4", "10.0.0.0/24", "10.0.0.1", 24))
    given = backend(store).allocate(request("c1", "v4"), call())
    assert addresses(store, "v4") == ["10.0.0.2"]
    assert given.addresses[0].address == "10.0.0.2/24"
    store.losing = True
    backend(store).release(request("c1", "v4"), call())
    assert addresses(store, "v4") == []


@pytest.mark.parametrize("error", [Timeout, Unavailable])
def test_a_write_that_did_not_happen_is_an_error(error: type[Exception]) -> None:
    class Dead(MemoryStore):
        def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
            raise error("no answer")

    with pytest.raises(error, match="no answer"):
        backend(Dead(pool("v4", "10.0.0.0/24", "10.0.0.1", 24))).allocate(request("c1", "v4"), call())


def test_conflicts_are_retried_until_the_deadline_and_what_was_taken_before_is_given_back() -> None:
    class Contended(MemoryStore):
        """Somebody else changes the pool v6 between each read and write."""

        tries = 0

        def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
            if obj["metadata"]["name"] == "v6":
                self.tries += 1
                self.put(self.get("IPPool", "v6"))
            return super().update_status(obj)

    store = Contended(pool("v4", "10.0.0.0/24", "10.0.0.1", 24), pool("v6", "2001:db8::/64", "2001:db8::1", 64))
    with pytest.raises(Timeout):
        backend(store).allocate(request("c1", "v4", "v6"), call(0.3))
    assert store.tries > 3
    assert addresses(store, "v4") == []


def test_a_cancelled_allocation_gives_back_what_was_taken() -> None:
    work = call()

    class Cancelling(MemoryStore):
        def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
            stored = super().update_status(obj)
            if obj["status"]["ipAddresses"]:
                work.cancel.set()
            return stored

    store = Cancelling(pool("v4", "10.0.0.0/24", "10.0.0.1", 24), pool("v6", "2001:db8::/64", "2001:db8::1", 64))
    with pytest.raises(Exception, match="withdrawn"):
        backend(store).allocate(request("c1", "v4", "v6"), work)
    assert addresses(store, "v4") == []
