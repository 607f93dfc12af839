"""A failure around each write takes back what was written, before any release. Kills: see test_conformance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, pool, request, snapshot
from ipam_testing.stores import MemoryStore
from secnet.contract import StoreConflict, Timeout, Unavailable


class Fault(Exception):
    """A failure of whatever kind, which is undone."""


IPAM_REQUEST = request("c1", "v4", "v6", "more")


def fresh() -> MemoryStore:
    store = MemoryStore(
        pool("v4", "10.0.0.0/24", "10.0.0.1", 24),
        pool("v6", "2001:db8::/64", "2001:db8::1", 64),
        # Overlaps with the first, so that the second look after each write takes part.
        pool("more", "10.0.0.0/25", "10.0.0.1", 24),
    )
    backend(store).allocate(request("neighbour", "v4", "v6", "more"), call())
    return store


class FailAt:
    """Fails once, before or after the step of a number (from 0); its facts name the pool."""

    def __init__(self, number: int, when: str) -> None:
        self.reached = False
        self._number = number
        self._when = when
        self._begun = 0

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        assert facts["pool"]
        self._begun += 1
        self._pass("before")

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        self._pass("after")

    def _pass(self, when: str) -> None:
        if (self._begun - 1, when) == (self._number, self._when) and not self.reached:
            self.reached = True
            raise Fault(f"{when} step {self._number}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_failed_allocation_takes_back_what_it_wrote(number: int, when: str) -> None:
    store = fresh()
    before, observer = snapshot(store), FailAt(number, when)
    with pytest.raises(Fault):
        backend(store).allocate(IPAM_REQUEST, call(observers=(observer,)))
    assert observer.reached
    assert snapshot(store) == before


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


def test_conflicts_are_retried_until_the_deadline_and_what_was_taken_before_is_released() -> None:
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


def test_a_cancelled_allocation_releases_what_was_taken() -> None:
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
