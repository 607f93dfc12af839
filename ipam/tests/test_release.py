"""Release, inventory and check."""

from __future__ import annotations

from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, entry, pool, request, usage
from ipam_testing.stores import MemoryStore
from secnet.contract import ADDRESS_OF_ANOTHER, IpamOwner, LeaseAddress, PodRef, Unavailable

V4 = pool("v4", "10.0.0.0/24", "10.0.0.1", 24, vlan=7)
V6 = pool("v6", "2001:db8::/64", "2001:db8::1", 64, vlan=8)


def test_release_frees_all_pools_and_may_be_repeated() -> None:
    store = MemoryStore(V4, V6)
    agent = backend(store)
    agent.allocate(request("a", "v4", "v6"), call())
    agent.allocate(request("b", "v4", "v6"), call())
    for _ in range(2):
        agent.release(request("a", "v4", "v6"), call())
        assert addresses(store, "v4") == ["10.0.0.3"]
        assert addresses(store, "v6") == ["2001:db8::3"]
        assert usage(store, "v4") == {"total": 253, "used": 1}


@pytest.mark.parametrize("config", [{}, {"ippools": ["v6"]}, {"ippools": ["gone"]}])
def test_release_finds_the_owner_in_pools_that_the_nad_no_longer_lists(config: dict[str, Any]) -> None:
    store = MemoryStore(V4, V6)
    agent = backend(store)
    agent.allocate(request("a", "v4"), call())
    agent.release(request("a", **config), call())
    assert addresses(store, "v4") == []


@pytest.mark.parametrize(("container", "ifname"), [("prim", ""), ("", "eth1"), ("", "")])
def test_release_never_takes_the_address_of_a_primary_interface(container: str, ifname: str) -> None:
    entries = [entry("10.0.0.5", "prim", ifname=""), entry("10.0.0.6", "prim", ifname=None), entry("10.0.0.7", "")]
    store = MemoryStore(pool("v4", "10.0.0.0/24", "10.0.0.1", 24, entries=[*entries, entry("10.0.0.8", "", ifname="")]))
    backend(store).release(request(container, "v4", ifname=ifname), call())
    assert len(addresses(store, "v4")) == 4


def test_release_removes_what_it_cannot_read_and_does_not_need_a_valid_pool() -> None:
    broken = pool("v4", "10.0.0.0/24", "10.0.0.1", 24, entries=[entry("what", "a"), entry("10.0.0.7", "b")])
    broken["spec"]["ipRanges"] = []
    store = MemoryStore(broken)
    backend(store).release(request("a", "v4"), call())
    assert addresses(store, "v4") == ["10.0.0.7"]
    assert usage(store, "v4")["used"] == 1


def test_a_pool_that_cannot_be_written_does_not_keep_the_addresses_of_another() -> None:
    class Half(MemoryStore):
        def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
            if obj["metadata"]["name"] == "v4":
                raise Unavailable("no answer")
            return super().update_status(obj)

    store = Half(V4 | {"status": {"ipAddresses": [entry("10.0.0.5", "a")]}}, V6)
    backend(store).allocate(request("a", "v6"), call())
    with pytest.raises(Unavailable):
        backend(store).release(request("a", "v4", "v6"), call())
    assert addresses(store, "v6") == []
    assert addresses(store, "v4") == ["10.0.0.5"]


def test_the_inventory_has_every_secondary_lease_and_no_primary_address() -> None:
    store = MemoryStore(V4, V6)
    agent = backend(store)
    agent.allocate(request("a", "v4", "v6"), call())
    agent.allocate(request("a", "v4", ifname="eth2"), call())
    obj = store.get("IPPool", "v4")
    obj["status"]["ipAddresses"] += [
        entry("10.0.0.9", "prim", ifname=None),
        entry("10.0.0.10", "prim", ifname=""),
        entry("bad", "z"),
        {"ipAddress": "10.0.0.8"},
    ]
    store.put(obj)
    one, two, bad = agent.inventory(call())
    assert one.owner == IpamOwner(
        container_id="a", ifname="eth1", pod=PodRef(namespace="default", name="pod-a", uid="")
    )
    assert one.addresses == (
        LeaseAddress(address="10.0.0.2/24", gateway="10.0.0.1", pool="v4"),
        LeaseAddress(address="2001:db8::2/64", gateway="2001:db8::1", pool="v6"),
    )
    assert one.vlans == (7, 8)
    assert (two.owner.ifname, two.addresses[0].address) == ("eth2", "10.0.0.3/24")
    assert (bad.owner.container_id, bad.addresses) == ("z", ())


def test_the_inventory_still_tells_the_owners_of_an_unusable_pool() -> None:
    broken = pool("v4", "10.0.0.0/24", "nonsense", 24, entries=[entry("10.0.0.5", "a")])
    (lease,) = backend(MemoryStore(broken)).inventory(call())
    assert (lease.owner.container_id, lease.addresses) == ("a", ())


def test_check_compares_the_lease_with_the_pools() -> None:
    store = MemoryStore(V4, V6)
    agent = backend(store)
    ipam_request = request("a", "v4", "v6", addresses=[{"address": "172.16.0.5/24"}])
    lease = agent.allocate(ipam_request, call())
    assert agent.check(lease, ipam_request.config, call()).clean

    store.put(V4 | {"status": {"ipAddresses": [entry("10.0.0.2", "thief")]}})
    (finding,) = agent.check(lease, ipam_request.config, call()).findings
    assert (finding.code, finding.message) == (
        ADDRESS_OF_ANOTHER,
        "10.0.0.2/24 of IPPool v4 is listed for Pod default/pod-thief interface eth1",
    )
    store.put(V4)
    store.delete("IPPool", "v6")
    assert [found.code for found in agent.check(lease, ipam_request.config, call()).findings] == [
        "AddressNotListed",
        "PoolGone",
    ]
