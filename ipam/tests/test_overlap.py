"""Pools with addresses in common: no address twice on one network."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, entry, pool, request
from ipam_testing.stores import MemoryStore
from secnet.contract import Busy, Conflict


def give(store: MemoryStore, container: str, *ippools: str, **rest: Any) -> list[str]:
    return [item.address for item in backend(store).allocate(request(container, *ippools, **rest), call()).addresses]


def overlapping(vlan: int, other_vlan: int | None = None) -> MemoryStore:
    return MemoryStore(
        pool("a", "10.0.0.2-10.0.0.4", "10.0.0.1", 24, vlan=vlan),
        pool("b", "10.0.0.2-10.0.0.5", "10.0.0.1", 24, vlan=vlan if other_vlan is None else other_vlan),
    )


@pytest.mark.parametrize("vlans", [(100, 100), (0, 0), (100, 0), (100, 200)])
def test_two_overlapping_pools_of_one_nad_never_give_one_address_twice(vlans: tuple[int, int]) -> None:
    store = overlapping(*vlans)
    assert give(store, "p1", "a", "b") == ["10.0.0.2/24", "10.0.0.3/24"]
    assert give(store, "p2", "a", "b") == ["10.0.0.4/24", "10.0.0.5/24"]
    with pytest.raises(Busy):
        give(store, "p3", "a", "b")
    assert addresses(store, "a") == ["10.0.0.2", "10.0.0.4"]
    assert addresses(store, "b") == ["10.0.0.3", "10.0.0.5"]


def test_an_address_in_use_by_another_pool_of_the_vlan_is_left_out() -> None:
    store = overlapping(100)
    assert [give(store, f"p{n}", "a") for n in range(3)] == [["10.0.0.2/24"], ["10.0.0.3/24"], ["10.0.0.4/24"]]
    assert give(store, "q1", "b") == ["10.0.0.5/24"]
    with pytest.raises(Busy):
        give(store, "q2", "b")
    with pytest.raises(Conflict, match=r"10\.0\.0\.2 was requested, but it is in use in another pool"):
        give(store, "q3", "b", ips=["10.0.0.2"])


def test_pools_without_vlan_may_be_two_networks_so_it_only_tries_to_avoid(caplog: pytest.LogCaptureFixture) -> None:
    """Their NADs may say different VLANs, which is legal and common: then the same subnet is used twice."""
    store = overlapping(0)
    assert give(store, "p1", "a") == ["10.0.0.2/24"]
    assert [give(store, f"q{n}", "b") for n in range(3)] == [["10.0.0.3/24"], ["10.0.0.4/24"], ["10.0.0.5/24"]]
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        assert give(store, "q3", "b") == ["10.0.0.2/24"]
    assert "another pool without VLAN" in caplog.records[0].getMessage()
    assert give(store, "p2", "a", ips=["10.0.0.3"]) == ["10.0.0.3/24"]


def test_pools_of_different_vlans_do_not_see_each_other() -> None:
    store = overlapping(100, 200)
    assert give(store, "p1", "a") == ["10.0.0.2/24"]
    assert give(store, "q1", "b") == ["10.0.0.2/24"]


class Racing(MemoryStore):
    """Another agent writes into pool b just before our own write into pool a arrives."""

    raced = False

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        if obj["metadata"]["name"] == "a" and not self.raced:
            self.raced = True
            super().update_status(self.get("IPPool", "b") | {"status": {"ipAddresses": [entry("10.0.0.2", "fast")]}})
        return super().update_status(obj)


@pytest.mark.parametrize("vlan", [0, 100])
def test_an_agent_that_sees_that_another_agent_gave_the_same_address_gives_way(vlan: int) -> None:
    store = Racing(*overlapping(vlan).list("IPPool"))
    assert give(store, "slow", "a") == ["10.0.0.3/24"]
    assert addresses(store, "a") == ["10.0.0.3"]


def test_a_requested_address_that_another_agent_gave_meanwhile_is_a_conflict() -> None:
    store = Racing(*overlapping(100).list("IPPool"))
    with pytest.raises(Conflict):
        give(store, "slow", "a", ips=["10.0.0.2"])
    assert addresses(store, "a") == []
