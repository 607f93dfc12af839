"""What an allocation costs the store: one list, and one write for each pool. What a list says late is never the last word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, entry, pool, request
from ipam_testing.stores import MemoryStore
from secnet.contract import Busy

V4 = pool("v4", "10.0.0.0/29", "10.0.0.1", 29)
V6 = pool("v6", "2001:db8::/64", "2001:db8::1", 64)


class Counting(MemoryStore):
    """Counts requests. behind: called after each list was taken, as another agent would come in between."""

    behind: Callable[[], None] | None = None

    def __init__(self, *objects: dict[str, Any]) -> None:
        super().__init__(*objects)
        self.requests: Counter[str] = Counter()

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        self.requests["get"] += 1
        return super().get(kind, name, namespace)

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        self.requests["list"] += 1
        found = super().list(kind, namespace)
        behind, self.behind = self.behind, None
        if behind is not None:
            behind()
        return found

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.requests["update"] += 1
        return super().update_status(obj)


@pytest.fixture
def store() -> Counting:
    return Counting(V4, V6)


def test_an_allocation_is_a_list_and_a_write_for_each_pool_and_so_is_its_release(store: Counting) -> None:
    agent = backend(store)
    for container in ("a", "b"):
        store.requests.clear()
        agent.allocate(request(container, "v4", "v6"), call())
        assert store.requests == {"list": 1, "update": 2}
        store.requests.clear()
        agent.release(request(container, "v4", "v6"), call())
        assert store.requests == {"list": 1, "update": 2}
    assert addresses(store, "v4") == addresses(store, "v6") == []


def test_an_address_that_another_agent_took_after_the_list(store: Counting) -> None:
    store.behind = lambda: backend(store).allocate(request("other", "v4"), call()) and None
    lease = backend(store).allocate(request("a", "v4"), call())
    assert [item.address for item in lease.addresses] == ["10.0.0.3/29"]
    assert addresses(store, "v4") == ["10.0.0.2", "10.0.0.3"]


def test_a_pool_that_was_full_in_the_list_and_is_not_any_more(store: Counting) -> None:
    other = backend(store)
    for number in range(5):
        other.allocate(request(f"other-{number}", "v4"), call())
    store.behind = lambda: other.release(request("other-3", "v4"), call())
    lease = backend(store).allocate(request("a", "v4"), call())
    assert [item.address for item in lease.addresses] == ["10.0.0.5/29"]
    store.requests.clear()
    with pytest.raises(Busy):
        backend(store).allocate(request("b", "v4"), call())
    assert store.requests == {"list": 1, "get": 1}, "that it is full is read once more"


def test_an_entry_of_the_list_that_was_released_since(store: Counting) -> None:
    """Such as by the garbage collection of another agent."""
    agent = backend(store)
    agent.allocate(request("a", "v4"), call())
    store.behind = lambda: backend(store).release(request("a", "v4"), call())
    lease = agent.allocate(request("a", "v4"), call())
    assert [item.address for item in lease.addresses] == ["10.0.0.2/29"]
    assert addresses(store, "v4") == ["10.0.0.2"]


def test_a_pool_that_was_created_again_after_our_last_write(store: Counting) -> None:
    agent = backend(store)
    agent.allocate(request("a", "v4"), call())
    again = store.get("IPPool", "v4")
    again["metadata"] = {"name": "v4", "uid": "another"}
    again["status"] = {"ipAddresses": [entry("10.0.0.2", "other")]}
    store.put(again)
    agent.allocate(request("b", "v4"), call())
    assert addresses(store, "v4") == ["10.0.0.2", "10.0.0.3"]
