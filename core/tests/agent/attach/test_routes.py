"""Routes of the lease beside what the Pod has already."""

from __future__ import annotations

import pytest
from secnet.agent.attach._routes import redundant_routes, wanted_routes
from secnet.contract import Conflict, Route
from secnet_testing.netns import ping

from .conftest import LAYER3, Pod, applied, codes

pytestmark = pytest.mark.kernel

ADDRESSES = {"10.0.0.0/24": "10.0.0.2/24", "fd00::/64": "fd00::2/64"}
NEIGHBOURS = {"10.0.0.0/24": "10.0.0.1", "fd00::/64": "fd00::1"}


def _family(dst: str) -> str:
    return "-6" if ":" in dst else "-4"


@pytest.mark.parametrize("dst", ADDRESSES)
@pytest.mark.parametrize("gw", [None, "own"])
def test_a_route_to_the_own_subnet_is_left_to_the_kernel(pod: Pod, dst: str, gw: str | None) -> None:
    """The gateway does not answer: with it in the way no neighbour would be reachable."""
    gateway = "10.0.0.254" if "." in dst else "fd00::fe"
    routes = (Route(dst=dst, gw=gateway if gw else None),)
    attachment = pod.attachment(ADDRESSES[dst], gateway=gateway, routes=routes)
    record = pod.apply(attachment)
    assert codes(record) == []
    assert [route.dst for route in redundant_routes(record)] == [dst]
    assert list(wanted_routes(record)) == []
    assert "via" not in pod.ip(f"{_family(dst)} route show {dst}")
    assert ping(pod.ns, NEIGHBOURS[dst])


def test_a_route_to_the_own_subnet_stands_beside_with_a_priority_or_in_a_table(pod: Pod) -> None:
    routes = (Route(dst="10.0.0.0/24", priority=5), Route(dst="10.0.0.0/24", table=77))
    attachment = pod.attachment("10.0.0.2/24", gateway="10.0.0.254", routes=routes)
    record = applied(pod.apply(attachment))
    assert codes(record) == []
    assert "via 10.0.0.254 dev eth1" in pod.ip("route show 10.0.0.0/24")
    assert "via 10.0.0.254 dev eth1" in pod.ip("route show table 77")
    assert ping(pod.ns, "10.0.0.1")


@pytest.mark.parametrize(
    ("theirs", "address", "dst"),
    [
        ("10.0.0.0/24", "10.0.0.2/24", "10.244.0.0/24"),  # the subnet of eth0
        ("fd00::/64", "fd00::2/64", "fd20::/64"),
        ("default via 10.244.0.1", "10.0.0.2/24", "0.0.0.0/0"),
        ("default via 10.244.0.1 metric 100", "10.0.0.2/24", "0.0.0.0/0"),  # another metric would take the traffic too
        ("default via fd20::1 metric 2000", "fd00::2/64", "::/0"),
        ("10.9.0.0/16 via 10.244.0.1", "10.0.0.2/24", "10.9.0.0/16"),
    ],
)
def test_a_route_of_another_interface_keeps_its_traffic(pod: Pod, theirs: str, address: str, dst: str) -> None:
    pod.add_eth0("10.244.0.5/24", "fd20::5/64")
    if "via" in theirs:
        pod.ip(f"{_family(dst)} route add {theirs} dev eth0")
    before = pod.ip(f"{_family(dst)} route show {dst}")
    route = Route(dst=dst)
    with pytest.raises(Conflict, match=r"eth1 would take the traffic of eth0, which has the route ") as caught:
        pod.apply(
            pod.attachment(address, gateway=NEIGHBOURS["10.0.0.0/24" if "." in dst else "fd00::/64"], routes=(route,))
        )
    assert pod.ip(f"{_family(dst)} route show {dst}") == before
    assert "priority" in caught.value.hint


@pytest.mark.parametrize(
    ("dst", "address", "gateway"), [("0.0.0.0/0", "10.0.0.2/24", "10.0.0.1"), ("::/0", "fd00::2/64", "fd00::1")]
)
def test_with_a_priority_a_route_stands_beside_that_of_another_interface(
    pod: Pod, dst: str, address: str, gateway: str
) -> None:
    pod.add_eth0("10.244.0.5/24", "fd20::5/64")
    pod.ip(f"{_family(dst)} route add default via {'fd20::1' if ':' in dst else '10.244.0.1'} dev eth0")
    record = applied(pod.apply(pod.attachment(address, gateway=gateway, routes=(Route(dst=dst, priority=4000),))))
    assert codes(record) == []
    assert len(pod.ip(f"{_family(dst)} route show default").splitlines()) == 2


def test_our_route_stays_when_another_interface_gets_the_same_one_later(pod: Pod) -> None:
    record = pod.apply(pod.attachment("10.0.0.2/24", gateway="10.0.0.1", routes=(Route(dst="10.9.0.0/16"),)))
    pod.add_eth0("10.244.0.5/24")
    pod.ip("route add 10.9.0.0/16 via 10.244.0.1 dev eth0 metric 50")
    before = pod.ip("route show 10.9.0.0/16")
    applied(record)
    assert pod.ip("route show 10.9.0.0/16") == before
    assert codes(record) == []


def test_default_route_stands_for_the_default_route_of_the_lease(pod: Pod) -> None:
    """The lease's own would be refused, as eth0 has one."""
    pod.add_eth0("10.244.0.5/24")
    pod.ip("route add default via 10.244.0.1 dev eth0")
    attachment = pod.attachment("10.0.0.2/24", gateway="10.0.0.1", routes=(Route(dst="0.0.0.0/0"),))
    record = applied(pod.apply(attachment, {"default_route": ()}))
    assert pod.ip("route show default").split()[:5] == ["default", "via", "10.0.0.1", "dev", "eth1"]
    assert codes(record) == []


def test_before_the_lease_there_is_no_default_route_to_set(pod: Pod) -> None:
    """As for addresses that are asked for when the interface is up."""
    attachment = pod.attachment("10.0.0.2/24")
    record = pod.record(attachment, {"default_route": ("10.0.0.1",)})
    unleased = record.replace(attachment=type(attachment)(request=attachment.request))
    applied(unleased)
    assert pod.ip("route show default") == ""
    assert LAYER3.prior(unleased) == {}
    assert "default via 10.0.0.1 dev eth1" in (applied(record), pod.ip("route show default"))[1]
