"""Routes on a real kernel."""

from __future__ import annotations

import pytest
from secnet.contract import Conflict, InvalidConfig
from secnet.linux.rtnl import KernelRoute
from secnet_testing.netns import run_in

from .conftest import Wire

pytestmark = pytest.mark.kernel

ETH0 = "eth0"


@pytest.fixture
def net(wire: Wire) -> Wire:
    """The Pod's link is up, has an address of each family, and stands beside an eth0 with default routes."""
    wire.up()
    wire.pod.add_address(wire.inner, "10.1.0.5/24")
    wire.pod.add_address(wire.inner, "fd01::5/64")
    first = wire.host.create_veth("sncluster", ETH0, wire.fd)
    wire.host.set_link(first.index, up=True)
    wire.pod.set_link(first.peer_index, up=True)
    wire.pod.add_address(first.peer_index, "10.0.0.5/24")
    wire.pod.add_address(first.peer_index, "fd00::5/64")
    for argv in (
        ["-4", "route", "add", "default", "via", "10.0.0.1"],
        ["-6", "route", "add", "default", "via", "fd00::1"],
    ):
        run_in(wire.pod_ns, ["ip", *argv, "dev", ETH0])
    return wire


def only(wire: Wire, dst: str, table: int = 254) -> KernelRoute:
    (route,) = (route for route in wire.pod.routes(wire.inner, table=table) if route.dst == dst)
    return route


def eth0(wire: Wire) -> int:
    link = wire.pod.link(ETH0)
    assert link is not None
    return link.index


def test_a_route_with_everything(net: Wire) -> None:
    net.pod.add_route(net.inner, "10.9.0.0/16", gw="10.1.0.1", mtu=1300, advmss=1200, priority=50, table=100)
    assert only(net, "10.9.0.0/16", 100) == KernelRoute(
        family=4, dst="10.9.0.0/16", index=net.inner, gw="10.1.0.1", mtu=1300, advmss=1200, priority=50, table=100
    )
    shown = run_in(net.pod_ns, ["ip", "route", "show", "table", "100"])
    assert "10.9.0.0/16 via 10.1.0.1 dev eth1 proto static metric 50 mtu 1300 advmss 1200" in shown


def test_an_ipv6_route(net: Wire) -> None:
    net.pod.add_route(net.inner, "fd09::/32", gw="fd01::1", mtu=1300)
    assert only(net, "fd09::/32") == KernelRoute(
        family=6, dst="fd09::/32", index=net.inner, gw="fd01::1", mtu=1300, priority=1024
    )


def test_scope_follows_from_the_gateway_or_is_given(net: Wire) -> None:
    net.pod.add_route(net.inner, "10.9.0.0/16")
    net.pod.add_route(net.inner, "10.8.0.0/16", gw="10.1.0.1")
    net.pod.add_route(net.inner, "10.7.0.0/16", scope=0)
    net.pod.add_route(net.inner, "fd09::/32")
    scopes = {dst: only(net, dst).scope for dst in ("10.9.0.0/16", "10.8.0.0/16", "10.7.0.0/16", "fd09::/32")}
    assert scopes == {"10.9.0.0/16": 253, "10.8.0.0/16": 0, "10.7.0.0/16": 0, "fd09::/32": 0}


def test_an_ipv4_route_through_an_ipv6_gateway(net: Wire) -> None:
    net.pod.add_route(net.inner, "10.9.0.0/16", gw="fd01::1")
    assert only(net, "10.9.0.0/16").gw == "fd01::1"


def test_a_gateway_outside_of_the_network_needs_onlink(net: Wire) -> None:
    with pytest.raises(InvalidConfig, match="Nexthop has invalid gateway") as caught:
        net.pod.add_route(net.inner, "10.9.0.0/16", gw="192.0.2.1")
    assert "gateway" in caught.value.hint
    net.pod.add_route(net.inner, "10.9.0.0/16", gw="192.0.2.1", onlink=True)
    assert only(net, "10.9.0.0/16").onlink


@pytest.mark.parametrize(
    ("dst", "old", "new"), [("10.9.0.0/16", "10.1.0.1", "10.1.0.2"), ("fd09::/32", "fd01::1", "fd01::2")]
)
def test_a_route_of_the_same_link_is_replaced(net: Wire, dst: str, old: str, new: str) -> None:
    net.pod.add_route(net.inner, dst, gw=old)
    net.pod.add_route(net.inner, dst, gw=old)
    assert only(net, dst).gw == old
    net.pod.add_route(net.inner, dst, gw=new, mtu=1300)
    assert (only(net, dst).gw, only(net, dst).mtu) == (new, 1300)


@pytest.mark.parametrize(("dst", "gw"), [("0.0.0.0/0", "10.1.0.1"), ("::/0", "fd01::1")])
def test_a_route_of_another_link_is_never_taken(net: Wire, dst: str, gw: str) -> None:
    before = net.pod.default_routes()
    with pytest.raises(Conflict, match=r"to eth1: eth0 has the route default via .* already"):
        net.pod.add_route(net.inner, dst, gw=gw)
    assert net.pod.default_routes() == before
    net.pod.add_route(net.inner, dst, gw=gw, priority=2000)  # beside it there is room
    assert len(net.pod.default_routes(4 if "." in dst else 6)) == 2


def test_default_routes_by_family(net: Wire) -> None:
    (four,), (six,) = net.pod.default_routes(4), net.pod.default_routes(6)
    assert (four.dst, four.gw, four.index, four.protocol) == ("0.0.0.0/0", "10.0.0.1", eth0(net), 3)
    assert (six.dst, six.gw, six.index, six.priority) == ("::/0", "fd00::1", eth0(net), 1024)
    assert set(net.pod.default_routes()) == {four, six}


@pytest.mark.parametrize("dst", ["10.1.0.0/24", "fd01::/64"])
def test_the_route_that_the_kernel_made_for_an_address_is_never_replaced(net: Wire, dst: str) -> None:
    before = net.pod.routes(net.inner)
    priority = only(net, dst).priority
    with pytest.raises(Conflict, match=f"eth1 has the route {dst}.* already"):
        net.pod.add_route(net.inner, dst, gw="fd01::1" if ":" in dst else "10.1.0.1", priority=priority)
    assert net.pod.routes(net.inner) == before


def test_a_route_that_rejects_is_in_the_way(net: Wire) -> None:
    run_in(net.pod_ns, ["ip", "route", "add", "blackhole", "10.9.0.0/16"])
    with pytest.raises(Conflict, match=r"a route that rejects 10.9.0.0/16 stands there"):
        net.pod.add_route(net.inner, "10.9.0.0/16", gw="10.1.0.1")


def test_by_which_link_a_packet_would_leave(net: Wire) -> None:
    assert net.pod.link_of_lookup("10.1.0.5", "10.1.0.9") == net.inner
    assert net.pod.link_of_lookup("10.1.0.5", "192.0.2.1") == eth0(net)
    assert net.pod.link_of_lookup("fd01::5", "fd01::9") == net.inner
    run_in(net.pod_ns, ["ip", "route", "del", "default"])
    run_in(net.pod_ns, ["ip", "route", "add", "blackhole", "198.51.100.0/24"])
    assert net.pod.link_of_lookup("10.1.0.5", "192.0.2.1") == 0
    assert net.pod.link_of_lookup("10.1.0.5", "198.51.100.1") == 0


def test_a_route_with_two_next_hops_is_distinguished(net: Wire) -> None:
    hops = ["nexthop", "via", "10.1.0.1", "nexthop", "via", "10.1.0.2"]
    run_in(net.pod_ns, ["ip", "route", "add", "10.9.0.0/16", *hops])
    (route,) = (route for route in net.pod.routes() if route.dst == "10.9.0.0/16")
    assert (route.multipath, route.index, route.gw) == (True, 0, None)


@pytest.mark.parametrize("dst", ["10.9.0.0/16", "fd09::/32"])
def test_deleting_takes_only_that_route_and_may_be_repeated(net: Wire, dst: str) -> None:
    before = net.pod.routes(table=None)
    net.pod.add_route(net.inner, dst, table=100, priority=7)
    net.pod.delete_route(eth0(net), dst, table=100, priority=7)  # another link's
    assert only(net, dst, 100).priority == 7
    net.pod.delete_route(net.inner, dst, table=100, priority=7)
    net.pod.delete_route(net.inner, dst, table=100, priority=7)
    assert set(net.pod.routes(table=None)) == set(before)


def test_routes_are_listed_by_table_and_family(net: Wire) -> None:
    net.pod.add_route(net.inner, "10.9.0.0/16", table=1000)
    assert "10.9.0.0/16" not in {route.dst for route in net.pod.routes()}
    assert {route.dst for route in net.pod.routes(table=1000)} == {"10.9.0.0/16"}
    assert {route.family for route in net.pod.routes(family=6, table=None)} == {6}


@pytest.mark.parametrize(
    ("dst", "gw", "message"),
    [
        ("10.9.0.1/16", None, "host bits set"),
        ("nowhere", None, "is not a prefix"),
        ("10.9.0.0/16", "gateway", "is not an address"),
        ("fd09::/32", "10.1.0.1", "cannot carry an IPv6 route"),
    ],
)
def test_what_is_no_route_is_refused(net: Wire, dst: str, gw: str | None, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        net.pod.add_route(net.inner, dst, gw=gw)
