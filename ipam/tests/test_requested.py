"""Addresses that a Pod insists on."""

from __future__ import annotations

from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, entry, pool, request, snapshot
from ipam_testing.stores import MemoryStore
from secnet.contract import Busy, Conflict, InvalidConfig, SecnetError, Unsupported

V4 = pool("v4", "10.0.0.0/24", "10.0.0.1", 24, entries=[entry("10.0.0.66", "holder")])
V6 = pool("v6", "2001:db8::/64", "2001:db8::1", 64)
OTHER = pool("other", "10.1.0.10-10.1.0.20", "10.1.0.1", 16)


def give(store: MemoryStore, ips: list[str], *ippools: str, **rest: Any) -> list[str]:
    lease = backend(store).allocate(request(rest.pop("container", "c1"), *ippools, ips=ips, **rest), call())
    return [item.address for item in lease.addresses]


@pytest.mark.parametrize(
    ("ips", "expected"),
    [
        (["10.0.0.50"], ["10.0.0.50/24", "2001:db8::2/64"]),
        (["10.0.0.50/24"], ["10.0.0.50/24", "2001:db8::2/64"]),
        (["2001:0DB8::0:50"], ["10.0.0.2/24", "2001:db8::50/64"]),
        (["2001:db8::50/64", "10.0.0.50"], ["10.0.0.50/24", "2001:db8::50/64"]),
    ],
)
def test_a_pool_gives_the_requested_address_instead_of_a_free_one(ips: list[str], expected: list[str]) -> None:
    store = MemoryStore(V4, V6)
    assert give(store, ips, "v4", "v6") == expected
    before = snapshot(store)
    assert give(store, ips, "v4", "v6") == expected
    assert snapshot(store) == before


def test_other_pools_of_the_family_still_give_a_free_one() -> None:
    assert give(MemoryStore(V4, OTHER), ["10.1.0.15"], "v4", "other") == ["10.0.0.2/24", "10.1.0.15/16"]


def test_an_address_of_the_nad_itself_needs_no_pool() -> None:
    rest = {"addresses": [{"address": "172.16.0.5/24"}]}
    assert give(MemoryStore(V4), ["172.16.0.5"], "v4", **rest) == ["10.0.0.2/24", "172.16.0.5/24"]
    assert give(MemoryStore(), ["172.16.0.5/24"], **rest) == ["172.16.0.5/24"]


@pytest.mark.parametrize(
    ("ips", "error", "text"),
    [
        (["10.0.0.66"], Conflict, "10.0.0.66 was requested, but Pod default/pod-holder interface eth1 holds it"),
        (["10.9.0.5"], Conflict, "lies in no range of IPPool v4, v6"),
        (["10.0.0.1"], Conflict, "is the gateway of IPPool v4"),
        (["10.0.0.255"], Conflict, "is the network or broadcast address of IPPool v4"),
        (["2001:db8::"], Conflict, "is the network or broadcast address of IPPool v6"),
        (["10.0.0.50/16"], InvalidConfig, "IPPool v4 has prefix length 24"),
        (["10.0.0.50", "10.0.0.51"], Unsupported, "10.0.0.51 was requested, but IPPool v4 gives one address"),
        (["10.0.0.50", "10.0.0.50/24"], InvalidConfig, "requested twice"),
        (["10.0.0.500"], InvalidConfig, "'10.0.0.500' is not an IP address"),
        (["fe80::1%eth0"], InvalidConfig, "is not an IP address"),
    ],
)
def test_what_cannot_be_met_fails_with_the_reason_and_takes_nothing(
    ips: list[str], error: type[SecnetError], text: str
) -> None:
    store = MemoryStore(V4, V6)
    before = snapshot(store)
    with pytest.raises(error, match=text) as caught:
        give(store, ips, "v4", "v6")
    assert caught.value.subject
    assert caught.value.hint
    assert snapshot(store) == before


def test_without_any_pool_a_foreign_address_is_refused() -> None:
    with pytest.raises(Conflict, match="this network has no IPPool"):
        give(MemoryStore(), ["10.0.0.5"], addresses=[{"address": "172.16.0.5/24"}])


def test_the_prefix_must_be_that_of_the_nads_own_address() -> None:
    with pytest.raises(InvalidConfig, match="the NAD's own address has prefix length 24"):
        give(MemoryStore(), ["172.16.0.5/16"], addresses=[{"address": "172.16.0.5/24"}])


def test_an_earlier_sandbox_of_the_same_pod_is_waited_for() -> None:
    """A Pod made again with its fixed address must not fail for good because the old one is not yet gone."""
    store = MemoryStore(V4)
    give(store, ["10.0.0.50"], "v4", container="old", pod="web")
    with pytest.raises(Busy, match="Pod default/web interface eth1 holds it"):
        give(store, ["10.0.0.50"], "v4", container="new", pod="web")
    backend(store).release(request("old", "v4"), call())
    assert give(store, ["10.0.0.50"], "v4", container="new", pod="web") == ["10.0.0.50/24"]


def test_a_new_request_replaces_what_the_owner_had() -> None:
    store = MemoryStore(V4)
    assert give(store, [], "v4") == ["10.0.0.2/24"]
    assert give(store, ["10.0.0.50"], "v4") == ["10.0.0.50/24"]
    assert addresses(store, "v4") == ["10.0.0.66", "10.0.0.50"]


def test_a_pool_that_is_being_deleted_gives_no_requested_address() -> None:
    with pytest.raises(Busy, match="a pool that is being deleted"):
        give(
            MemoryStore(V4 | {"metadata": {"name": "v4", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            ["10.0.0.50"],
            "v4",
        )


def test_overlapping_pools_are_matched_so_that_each_request_is_met() -> None:
    wide, narrow = pool("wide", "10.0.0.0/24", "10.0.0.1", 24), pool("narrow", "10.0.0.10-10.0.0.20", "10.0.0.1", 24)
    store = MemoryStore(wide, narrow)
    assert give(store, ["10.0.0.15", "10.0.0.50"], "wide", "narrow") == ["10.0.0.50/24", "10.0.0.15/24"]
