"""What an allocation gives, when it is full, and what it never touches."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from ipam_testing.pools import addresses, backend, call, entry, pool, request, snapshot, usage
from ipam_testing.stores import MemoryStore
from secnet.contract import Busy, InvalidConfig, IpamRequest, LeaseAddress, ObjectNotFound, ObjectRef, SecnetError

V4 = pool("v4", "10.0.0.0/29", "10.0.0.1", 29, vlan=100)
V6 = pool("v6", "2001:db8::/64", "2001:db8::1", 64, vlan=100)


def give(store: MemoryStore, container: str, *ippools: str, **rest: Any) -> list[str]:
    """The addresses of a new lease."""
    return [item.address for item in backend(store).allocate(request(container, *ippools, **rest), call()).addresses]


def test_a_lease_has_one_address_of_each_pool_and_what_the_nad_says() -> None:
    store = MemoryStore(V4, V6, pool("v4b", "10.1.0.10-10.1.0.20", "10.1.0.1", 16, vlan=200))
    ipam_request = request(
        "c1",
        "v4",
        "v6",
        "v4b",
        addresses=[{"address": "172.16.0.5/24", "gateway": "172.16.0.1"}],
        routes=[{"dst": "192.168.0.0/16", "gw": "10.0.0.1", "priority": 5}],
        dns={"nameservers": ["10.0.0.53"], "search": ["example.com"]},
    )
    lease = backend(store).allocate(ipam_request, call())
    assert lease.addresses == (
        LeaseAddress(address="10.0.0.2/29", gateway="10.0.0.1", pool="v4"),
        LeaseAddress(address="2001:db8::2/64", gateway="2001:db8::1", pool="v6"),
        LeaseAddress(address="10.1.0.10/16", gateway="10.1.0.1", pool="v4b"),
        LeaseAddress(address="172.16.0.5/24", gateway="172.16.0.1"),
    )
    assert lease.owner == ipam_request.owner
    assert lease.vlans == (100, 200)
    assert [(route.dst, route.gw, route.priority) for route in lease.routes] == [("192.168.0.0/16", "10.0.0.1", 5)]
    assert lease.dns.nameservers == ("10.0.0.53",)
    assert lease.dns.search == ("example.com",)


def test_the_status_has_exactly_the_shape_that_antrea_writes() -> None:
    store = MemoryStore(V4)
    give(store, "c1", "v4")
    assert store.get("IPPool", "v4")["status"] == {
        "ipAddresses": [
            {
                "ipAddress": "10.0.0.2",
                "phase": "Allocated",
                "owner": {
                    "pod": {"name": "pod-c1", "namespace": "default", "containerID": "c1", "ifName": "eth1"},
                },
            }
        ],
        "usage": {"total": 5, "used": 1},
    }


def test_the_lowest_free_address_comes_first_and_a_released_one_comes_again() -> None:
    store = MemoryStore(V4)
    assert [give(store, name, "v4") for name in "abc"] == [["10.0.0.2/29"], ["10.0.0.3/29"], ["10.0.0.4/29"]]
    backend(store).release(request("a", "v4"), call())
    assert give(store, "d", "v4") == ["10.0.0.2/29"]


def test_the_same_owner_gets_the_same_lease_from_any_agent() -> None:
    store = MemoryStore(V4, V6)
    first = backend(store).allocate(request("c1", "v4", "v6"), call())
    before = snapshot(store)
    assert backend(store).allocate(request("c1", "v4", "v6"), call()) == first
    assert snapshot(store) == before


def test_interfaces_of_one_sandbox_are_owners_of_their_own() -> None:
    store = MemoryStore(V4)
    assert give(store, "c1", "v4", ifname="eth1") == ["10.0.0.2/29"]
    assert give(store, "c1", "v4", ifname="eth2") == ["10.0.0.3/29"]
    backend(store).release(request("c1", "v4", ifname="eth1"), call())
    assert addresses(store, "v4") == ["10.0.0.3"]


def test_a_pod_made_again_under_its_name_is_another_owner() -> None:
    store = MemoryStore(V4)
    assert give(store, "old", "v4", pod="web") == ["10.0.0.2/29"]
    assert give(store, "new", "v4", pod="web") == ["10.0.0.3/29"]
    backend(store).release(request("old", "v4", pod="web"), call())
    assert addresses(store, "v4") == ["10.0.0.3"]


def test_the_next_pool_of_the_family_serves_when_one_is_full() -> None:
    store = MemoryStore(pool("small", "10.0.0.5-10.0.0.5", "10.0.0.1", 24), pool("big", "10.0.1.0/24", "10.0.1.1", 24))
    assert give(store, "a", "small", "big") == ["10.0.0.5/24", "10.0.1.2/24"]
    assert give(store, "b", "small", "big") == ["10.0.1.3/24"]


def test_a_full_family_fails_the_lease_leaves_nothing_and_recovers() -> None:
    store = MemoryStore(V6, pool("v4", "10.0.0.5-10.0.0.5", "10.0.0.1", 24))
    give(store, "a", "v6", "v4")
    before = snapshot(store)
    with pytest.raises(Busy, match=r"default/net: \$\.ipam\.ippools: no IPv4 address: IPPool v4 has none of its 1"):
        give(store, "b", "v6", "v4")
    assert snapshot(store) == before
    assert usage(store, "v6")["used"] == 1
    backend(store).release(request("a", "v6", "v4"), call())
    assert give(store, "b", "v6", "v4") == ["2001:db8::2/64", "10.0.0.5/24"]


def test_a_failed_repeat_does_not_take_away_what_an_earlier_call_gave() -> None:
    """Else a second interface of the same name would free the address of the first, living one."""
    store = MemoryStore(V4)
    give(store, "a", "v4")
    with pytest.raises(ObjectNotFound):
        give(store, "a", "v4", "missing")
    store.put(pool("full", "2001:db8:1::5-2001:db8:1::5", "2001:db8:1::1", 64, entries=[entry("2001:db8:1::5")]))
    with pytest.raises(Busy):
        give(store, "a", "v4", "full")
    assert addresses(store, "v4") == ["10.0.0.2"]


def test_a_missing_pool_is_named_and_nothing_is_taken() -> None:
    store = MemoryStore(V4)
    with pytest.raises(ObjectNotFound, match=r"default/net: \$\.ipam\.ippools\[1\]: IPPool missing does not exist"):
        give(store, "a", "v4", "missing")
    assert addresses(store, "v4") == []


def test_an_unusable_pool_is_named_with_its_path() -> None:
    broken = pool("bad", "10.0.0.0/24", "10.0.0.1", 24)
    broken["spec"]["subnetInfo"]["prefixLength"] = 33
    with pytest.raises(InvalidConfig, match=r"IPPool bad: \$\.spec\.subnetInfo\.prefixLength: 33 is not a prefix"):
        give(MemoryStore(broken), "a", "bad")


def test_a_pool_that_is_being_deleted_gives_only_what_is_given_already() -> None:
    store = MemoryStore(pool("old", "10.0.0.0/24", "10.0.0.1", 24, entries=[entry("10.0.0.9", "c1")], deleting=True))
    assert give(store, "c1", "old") == ["10.0.0.9/24"]
    with pytest.raises(Busy, match="IPPool old is being deleted"):
        give(store, "c2", "old")
    backend(store).release(request("c1", "old"), call())
    assert addresses(store, "old") == []


FOREIGN: list[Any] = [
    entry("10.0.0.2", "c1", ifname=None),
    {
        "ipAddress": "10.0.0.3",
        "phase": "Reserved",
        "owner": {"statefulSet": {"name": "db", "namespace": "x", "index": 0}},
    },
    {"ipAddress": "10.0.0.4", "phase": "Preallocated", "owner": {}},
]


def test_entries_of_others_hold_their_address_and_stay() -> None:
    """The primary interface of the very same sandbox is one of them."""
    store = MemoryStore(pool("p", "10.0.0.0/29", "10.0.0.1", 29, entries=FOREIGN))
    assert give(store, "c1", "p") == ["10.0.0.5/29"]
    backend(store).release(request("c1", "p"), call())
    assert store.get("IPPool", "p")["status"]["ipAddresses"] == FOREIGN


BAD: list[Any] = [
    entry("10.9.9.9"),
    entry("not an address"),
    {"phase": "Allocated"},
    "nonsense",
    entry("10.0.0.2", "first"),
    entry("10.0.0.2", "second"),
    entry("2001:db8::5"),
]


def test_bad_entries_block_no_one_and_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(pool("p", "10.0.0.0/29", "10.0.0.1", 29, entries=BAD))
    with caplog.at_level(logging.WARNING):
        assert give(store, "c1", "p") == ["10.0.0.3/29"]
    warned = [record.getMessage() for record in caplog.records]
    assert [f"$.status.ipAddresses[{index}]" in warned[place] for place, index in enumerate((0, 1, 2, 3, 5, 6))] == [
        True
    ] * 6
    assert len(warned) == 6
    assert store.get("IPPool", "p")["status"]["ipAddresses"][:-1] == BAD


def test_of_two_entries_for_one_address_the_later_owner_gets_another() -> None:
    store = MemoryStore(pool("p", "10.0.0.0/29", "10.0.0.1", 29, entries=BAD[4:6]))
    assert give(store, "first", "p") == ["10.0.0.2/29"]
    assert give(store, "second", "p") == ["10.0.0.3/29"]
    assert addresses(store, "p") == ["10.0.0.2", "10.0.0.3"]


def test_an_owners_own_entry_outside_the_ranges_gives_way_to_a_good_one() -> None:
    store = MemoryStore(pool("p", "10.0.0.0/25", "10.0.0.1", 24, entries=[entry("10.0.0.200", "c1")]))
    assert give(store, "c1", "p") == ["10.0.0.2/24"]
    assert addresses(store, "p") == ["10.0.0.2"]


def test_every_spelling_of_an_ipv6_address_is_the_same_address() -> None:
    spelled = pool("p", "2001:0db8:0:0::/64", "2001:DB8::0:1", 64, entries=[entry("2001:db8:0:0:0::2", "c1")])
    store = MemoryStore(spelled)
    assert give(store, "c1", "p") == ["2001:db8::2/64"]
    assert give(store, "c2", "p") == ["2001:db8::3/64"]


def test_addresses_of_the_nad_itself_are_not_given_out_of_its_pools() -> None:
    store = MemoryStore(V4)
    assert give(store, "a", "v4", addresses=[{"address": "10.0.0.2/29"}]) == ["10.0.0.3/29", "10.0.0.2/29"]


def test_static_addresses_alone_need_no_pool() -> None:
    assert give(MemoryStore(), "a", addresses=[{"address": "2001:0db8::0005/64"}]) == ["2001:db8::5/64"]


def test_other_fields_of_the_status_stay() -> None:
    obj = pool("p", "10.0.0.0/29", "10.0.0.1", 29)
    obj["status"] = {"conditions": [{"type": "Ready"}], "usage": {"reserved": 3}}
    store = MemoryStore(obj)
    give(store, "a", "p")
    status = store.get("IPPool", "p")["status"]
    assert status["conditions"] == [{"type": "Ready"}]
    assert status["usage"] == {"reserved": 3, "used": 1, "total": 5}


@pytest.mark.parametrize("status", [None, [], "text", {"ipAddresses": None}, {"ipAddresses": {"a": 1}, "usage": 7}])
def test_a_status_of_any_shape_is_taken_for_an_empty_one(status: Any) -> None:
    store = MemoryStore(V4 | {"status": status})
    assert give(store, "a", "v4") == ["10.0.0.2/29"]
    assert usage(store, "v4") == {"total": 5, "used": 1}


def test_an_owner_without_interface_name_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="the sandbox and the interface"):
        give(MemoryStore(V4), "c1", "v4", ifname="")


def test_neither_pools_nor_addresses_is_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"default/net: \$\.ipam: neither ippools nor addresses"):
        give(MemoryStore(), "c1")


def test_without_a_store_the_backend_says_so() -> None:
    made = backend(None)  # type: ignore[arg-type]
    assert not made.probe().ready
    with pytest.raises(SecnetError, match="without access to IPPools"):
        made.allocate(request("c1", "v4"), call())


def test_probe_counts_the_pools() -> None:
    assert backend(MemoryStore(V4, V6)).probe().message == "2 IPPools"


def awaited(store: MemoryStore, ipam_request: IpamRequest) -> tuple[ObjectRef, ...]:
    """What a refused allocation waits for."""
    with pytest.raises(SecnetError) as raised:
        backend(store).allocate(ipam_request, call())
    return raised.value.waits_for


def pools(*names: str) -> tuple[ObjectRef, ...]:
    return tuple(ObjectRef(group="crd.antrea.io", kind="IPPool", name=name) for name in names)


def test_a_full_pool_is_what_the_refused_waits_for() -> None:
    """Not the pool of the other family, which had an address."""
    store = MemoryStore(V6, pool("v4", "10.0.0.5-10.0.0.5", "10.0.0.1", 24))
    give(store, "a", "v6", "v4")
    assert awaited(store, request("b", "v6", "v4")) == pools("v4")


def test_a_pool_filled_by_its_neighbour_waits_for_both() -> None:
    """An address given back to the overlapping pool is one that this pool can give."""
    store = MemoryStore(
        pool("one", "10.0.0.5-10.0.0.5", "10.0.0.1", 24, vlan=7),
        pool("two", "10.0.0.5-10.0.0.6", "10.0.0.1", 24, vlan=7),
    )
    give(store, "a", "two")
    assert awaited(store, request("b", "one")) == pools("one", "two")


def test_a_missing_or_broken_pool_is_what_the_refused_waits_for() -> None:
    broken = pool("bad", "10.0.0.0/24", "10.0.0.1", 24)
    broken["spec"]["subnetInfo"]["prefixLength"] = 33
    store = MemoryStore(V4, broken)
    assert awaited(store, request("a", "v4", "missing")) == pools("missing")
    assert awaited(store, request("a", "bad")) == pools("bad")


def test_a_requested_address_waits_for_the_pool_that_could_give_it() -> None:
    store = MemoryStore(V4)
    give(store, "a", "v4", ips=["10.0.0.4"])
    assert awaited(store, request("b", "v4", ips=["10.0.0.4"])) == pools("v4")
    assert awaited(store, request("b", "v4", ips=["192.0.2.1"])) == pools("v4")
    assert awaited(store, request("b", "v4", ips=["no address"])) == ()
