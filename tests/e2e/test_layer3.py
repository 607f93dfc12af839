"""Addresses and routes of Pods, as a whole: what a network must not do to the Pod, and what comes back when it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet_conformance.netns import inside
from secnet_testing.netns import frames, ping, run_in
from secnet_testing.node import Node
from secnet_testing.node_inspection import addresses, apply, network, picture, unchanged, write
from secnet_testing.objects import nad, pod, pool
from secnet_testing.router import PREFIX, advertise

pytestmark = pytest.mark.ovs

POOLS = (
    pool("v4", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24),
    pool("v6", "fd00:1::10-fd00:1::99", gateway="fd00:1::1", prefix=64),
)


def test_two_interfaces_in_one_subnet_on_two_vlans(bare: Node, tmp_path: Path) -> None:
    """Each VLAN has a neighbour that would not hear an answer on the other one."""
    twin, red, blue = bare.pod("twin"), bare.pod("red"), bare.pod("blue")
    nets = [nad("red", vlan=11, pools=["v4", "v6"]), nad("blue", vlan=12, pools=["v4", "v6"])]
    objects = [pod("twin", twin.path, "red,blue"), pod("red", red.path, "red"), pod("blue", blue.path, "blue")]
    apply(bare, tmp_path, *POOLS, *nets, *objects)
    for ifname, neighbour in (("eth1", red), ("eth2", blue)):
        for address in addresses(twin, ifname):
            assert ping(neighbour, address.split("/")[0], within=10), f"{address} of {ifname}"
    before = [run_in(twin, ["ip", family, "rule"]) for family in ("-4", "-6")]
    assert all("lookup 20000" in text for text in before)
    apply(bare, tmp_path / "one", pod("twin", twin.path, "red"))
    assert not any("lookup 20000" in run_in(twin, ["ip", family, "rule"]) for family in ("-4", "-6"))


def test_an_mtu_that_is_too_small_for_ipv6_is_refused_for_good(bare: Node, tmp_path: Path) -> None:
    """Nothing of it is left: no link, no port, no address."""
    small = bare.pod("small")
    apply(bare, tmp_path, *POOLS, nad("small", vlan=11, pools=["v4", "v6"], mtu=1200))
    before = picture(bare)
    done = bare.cli("apply", write(tmp_path / "pod", pod("small", small.path, "small")), "--timeout", "20")
    assert done.returncode == 1
    assert "Failed: InvalidConfig: NetworkAttachmentDefinition default/small: $.mtu: an MTU of 1200" in done.stdout
    unchanged(before, bare)


def test_every_default_route_of_the_pod_comes_back(bare: Node, tmp_path: Path) -> None:
    web = bare.pod("web")
    for words in (
        "link add eth0 type veth peer name up0",
        "link set eth0 up",
        "link set up0 up",
        "addr add 10.244.0.5/24 dev eth0",
        "addr add fd20::5/64 dev eth0 nodad",
        "route add default via 10.244.0.1 dev eth0 metric 100 mtu 1400",
        "route add default via 10.244.0.2 dev eth0 metric 200",
        "-6 route add default via fd20::1 dev eth0 pref high",
    ):
        run_in(web, ["ip", *words.split()])
    shown = [["ip", "-4", "route", "show", "default"], ["ip", "-6", "route", "show", "default"]]
    before = [run_in(web, argv).replace(" linkdown", "") for argv in shown]
    asked = [{"name": "net", "default-route": ["10.1.0.1", "fd00:1::1"]}]
    apply(bare, tmp_path, *POOLS, nad("net", vlan=11, pools=["v4", "v6"]), pod("web", web.path, asked))
    assert [run_in(web, argv).split()[:5] for argv in shown] == [
        ["default", "via", "10.1.0.1", "dev", "eth1"],
        ["default", "via", "fd00:1::1", "dev", "eth1"],
    ]
    apply(bare, tmp_path / "without", pod("web", web.path, ""))
    assert [run_in(web, argv).replace(" linkdown", "") for argv in shown] == before


def test_a_router_on_the_network_counts_where_the_nad_says_so(bare: Node, tmp_path: Path) -> None:
    plain, hearing, router = bare.pod("plain"), bare.pod("hearing"), bare.pod("router")
    apply(
        bare,
        tmp_path,
        *POOLS,
        nad("lan", vlan=11, pools=["v6"]),
        nad("slaac", vlan=11, pools=["v6"], acceptRA=True),
        pod("plain", plain.path, "lan"),
        pod("hearing", hearing.path, "slaac"),
        pod("router", router.path, "lan"),
    )
    run_in(router, ["ip", "addr", "add", "fe80::1/64", "dev", "eth1", "nodad"])
    with frames(plain, "eth1") as one, frames(hearing, "eth1") as other:
        for _ in range(2):  # when a second one has come, the first has been dealt with
            one.seen.clear()
            other.seen.clear()
            inside(router, lambda: advertise("eth1"))
            for capture in (one, other):
                capture.wait_for(lambda frame: not frame.outgoing and frame.is_router_advertisement)
    assert any(address.startswith(PREFIX.rstrip(":")) for address in addresses(hearing, "eth1"))
    assert "default via fe80::1" in run_in(hearing, ["ip", "-6", "route"])
    assert len(addresses(plain, "eth1")) == 1
    assert "default" not in run_in(plain, ["ip", "-6", "route"])
    status = bare.status()
    assert {network(status, name, "eth1")["phase"] for name in ("plain", "hearing")} == {"Attached"}
