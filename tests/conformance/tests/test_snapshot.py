"""The snapshot: it must see every kind of change, name it, and see nothing where nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from secnet.linux import sysctl
from secnet.linux.rtnl import SourceRule
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.netns import NetnsFactory, ping, run_in
from secnet_testing.veth_pair import HOST_END, POD_END, POD_MAC, Wire

pytestmark = pytest.mark.kernel

LINK = f"namespaces > current > links > {HOST_END}"


def take(wire: Wire) -> HostSnapshot:
    """Without the named namespaces, which other tests make and remove beside this one."""
    return HostSnapshot.take({"pod": wire.fd}, netns_dir=Path("/nonexistent"))


CHANGES: list[tuple[str, Callable[[Wire], object], str]] = [
    ("MTU", lambda w: w.host.set_link(w.veth.index, mtu=1300), f"~ {LINK} > mtu: 1400 -> 1300"),
    ("alias", lambda w: w.host.set_link(w.veth.index, alias="web"), f"~ {LINK} > alias:  -> web"),
    ("group", lambda w: w.host.set_link(w.veth.index, group=3), f"~ {LINK} > group: 1516 -> 3"),
    ("flag", lambda w: w.host.set_link(w.veth.index, up=True), f"+ {LINK} > flags: up"),
    (
        "MAC",
        lambda w: w.pod.set_link(w.inner, mac="02:00:00:00:00:99"),
        f"~ namespaces > pod > links > {POD_END} > mac: {POD_MAC} -> 02:00:00:00:00:99",
    ),
    (
        "address",
        lambda w: w.pod.add_address(w.inner, "10.1.0.5/24"),
        f"+ namespaces > pod > addresses > {POD_END}: [{{'cidr': '10.1.0.5/24', 'scope': 0, 'permanent': True}}]",
    ),
    (
        "second address",
        lambda w: w.pod.add_address(1, "10.1.0.6/32"),
        "+ namespaces > pod > addresses > lo: cidr=10.1.0.6/32, scope=0, permanent=True",
    ),
    (
        "route",
        lambda w: w.pod.add_route(1, "10.9.0.0/16", table=100),
        "+ namespaces > pod > routes: dst=10.9.0.0/16, dev=lo, priority=0, table=100, scope=253, protocol=4",
    ),
    (
        "IPv6 route",
        lambda w: w.pod.add_route(1, "fd09::/32", mtu=1300),
        "+ namespaces > pod > routes: dst=fd09::/32, dev=lo, priority=1024, table=254, scope=0, protocol=4, mtu=1300",
    ),
    (
        "rule",
        lambda w: w.pod.add_source_rule(SourceRule(source="10.1.0.5/32", table=100, priority=7)),
        "+ namespaces > pod > rules: from=10.1.0.5/32, table=100, priority=7",
    ),
    (
        "sysctl of a link",
        lambda w: sysctl.write_in(w.fd, f"ipv4/conf/{POD_END}/arp_notify", "1"),
        f"~ namespaces > pod > sysctls > ipv4/conf/{POD_END}/arp_notify: 0 -> 1",
    ),
    (
        "sysctl of all links",
        lambda w: sysctl.write("ipv6/conf/all/forwarding", "1"),
        "~ namespaces > current > sysctls > ipv6/conf/all/forwarding: 0 -> 1",
    ),
    ("link removed", lambda w: w.host.delete_link(w.veth.index), f"- {LINK}: kind=veth, mac="),
    (
        "name",
        lambda w: w.host.set_link(w.veth.index, name="snnew"),
        "+ namespaces > current > links > snnew: kind=veth, mac=",
    ),
]


@pytest.mark.parametrize(("change", "line"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_each_change_is_named(wire: Wire, change: Callable[[Wire], object], line: str) -> None:
    before = take(wire)
    change(wire)
    lines = diff(before, take(wire))
    assert [found for found in lines if found.startswith(line)], lines


def test_a_change_of_one_thing_is_one_line(wire: Wire) -> None:
    before = take(wire)
    wire.host.set_link(wire.veth.index, mtu=1300)
    assert diff(before, take(wire)) == [f"~ {LINK} > mtu: 1400 -> 1300"]


def test_a_link_that_came_is_one_line(wire: Wire) -> None:
    before = take(wire)
    wire.host.create_link("extra0", "bridge")
    (line,) = diff(before, take(wire))
    assert line.startswith("+ namespaces > current > links > extra0: kind=bridge")
    (line,) = diff(take(wire), before)
    assert line.startswith("- namespaces > current > links > extra0: kind=bridge")


def test_an_address_that_is_up_adds_no_route_of_the_local_table(wire: Wire) -> None:
    before = take(wire)
    wire.pod.add_address(1, "10.1.0.6/32")
    assert [line for line in diff(before, take(wire)) if "routes" in line] == []


def test_a_master_is_named(wire: Wire) -> None:
    requires_link_kind("bridge")
    run_in(None, ["ip", "link", "add", "br0", "type", "bridge"])
    before = take(wire)
    run_in(None, ["ip", "link", "set", HOST_END, "master", "br0"])
    assert f"~ {LINK} > master:  -> br0" in diff(before, take(wire))


def test_a_named_netns_is_seen(wire: Wire, netns_factory: NetnsFactory) -> None:
    before = HostSnapshot.take({"pod": wire.fd})
    added = netns_factory()
    # Other tests on this machine may make namespaces too: only ours counts.
    assert f"+ netns: {added.name}" in diff(before, HostSnapshot.take({"pod": wire.fd}))


def test_traffic_and_time_change_nothing(wire: Wire, tmp_path: Path) -> None:
    """Counters, neighbours, carrier and the end of duplicate address detection are no change."""
    wire.up()
    run_in(None, ["ip", "address", "add", "fd00::1/64", "nodad", "dev", HOST_END])
    wire.pod.add_address(wire.inner, "fd00::5/64", nodad=False)
    before = HostSnapshot.take({"pod": wire.fd}, netns_dir=tmp_path)
    assert any(address.tentative for address in wire.pod.addresses(wire.inner))
    assert ping(wire.pod_ns, "fd00::1", within=10)  # waits for the detection to end
    assert not any(address.tentative for address in wire.pod.addresses(wire.inner) if address.cidr == "fd00::5/64")
    assert diff(before, HostSnapshot.take({"pod": wire.fd}, netns_dir=tmp_path)) == []


def test_made_again_is_the_same(wire: Wire, tmp_path: Path) -> None:
    """Indexes do not count: a link removed and made again with the same properties is no change."""

    def picture() -> HostSnapshot:
        return HostSnapshot.take({"pod": wire.fd}, netns_dir=tmp_path)

    wire.host.set_link(wire.veth.index, mac="02:00:00:00:00:01")
    before = picture()
    wire.host.delete_link(wire.veth.index)
    again = wire.host.create_veth(HOST_END, POD_END, wire.fd, POD_MAC, 1400)
    wire.host.set_link(again.index, mac="02:00:00:00:00:01")
    assert again.index != wire.veth.index
    assert diff(before, picture()) == []


def test_paths_work_as_well_as_descriptors(wire: Wire, tmp_path: Path) -> None:
    by_path = HostSnapshot.take([wire.pod_ns.path], current=False, netns_dir=tmp_path).to_json()["namespaces"]
    by_fd = HostSnapshot.take({wire.pod_ns.path: wire.fd}, current=False, netns_dir=tmp_path).to_json()["namespaces"]
    assert by_path == by_fd
    assert set(by_path) == {wire.pod_ns.path}
    assert set(by_path[wire.pod_ns.path]["links"]) == {"lo", POD_END}


def test_it_survives_json_and_takes_other_sections(wire: Wire) -> None:
    before = take(wire).with_section("ovs", {"Port": {"sn0": {"tag": 100}}})
    again = HostSnapshot(data=json.loads(json.dumps(before.to_json())))
    assert diff(before, again) == []
    after = before.with_section("ovs", {"Port": {"sn0": {"tag": 200}, "sn1": {"tag": 100}}})
    assert diff(before, after) == ["~ ovs > Port > sn0 > tag: 100 -> 200", "+ ovs > Port > sn1: tag=100"]


def test_lists_are_compared_without_order_but_with_number() -> None:
    old, new = HostSnapshot(data={"list": ["a", "b", "b"]}), HostSnapshot(data={"list": ["b", "a", "c"]})
    assert diff(old, new) == ["- list: b", "+ list: c"]
    assert diff(old, HostSnapshot(data={"list": ["b", "a", "b"]})) == []
