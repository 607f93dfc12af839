"""Default routes that are taken and given back."""

from __future__ import annotations

import json

import pytest
from secnet.contract import Busy, Call, Unsupported, thaw, to_json
from secnet.linux.rtnl import SavedRoute
from secnet.linux.saved_routes import SavedRouteRequests

from .conftest import LAYER3, Pod, applied, codes

pytestmark = pytest.mark.kernel

OPTIONS: dict[str, object] = {"default_route": ("10.0.0.1", "fd00::1")}

ROUTES = {
    "plain": ["route add default via 10.244.0.1 dev eth0"],
    "metric": ["route add default via 10.244.0.1 dev eth0 metric 7"],
    "two": [
        "route add default via 10.244.0.1 dev eth0 metric 100",
        "route add default via 10.244.0.2 dev eth0 metric 200",
    ],
    "two at one metric": [
        "route add default via 10.244.0.1 dev eth0 metric 100",
        "route append default via 10.244.0.2 dev eth0 metric 100",
    ],
    "attributes": [
        "route add default via 10.244.0.1 dev eth0 proto bird src 10.244.0.5 metric 3 mtu lock 1400 advmss 1200 window 4000"
        " rtt 30ms rto_min 50ms initcwnd 10 initrwnd 20 quickack 1 features ecn congctl reno"
    ],
    "tos": ["route add default tos 0x10 via 10.244.0.1 dev eth0"],
    "onlink": ["route add default via 192.0.2.1 dev eth0 onlink"],
    "scope link": ["route add default dev eth0 scope link"],
    "an IPv6 gateway": ["route add default via inet6 fd20::1 dev eth0"],
    "several next hops": [
        "route add default metric 5 nexthop via 10.244.0.1 dev eth0 weight 3 nexthop via 10.245.0.1 dev net0 weight 7"
    ],
    "a nexthop object": [
        "nexthop add id 7 via 10.244.0.1 dev eth0",
        "route add default nhid 7 metric 9",
    ],
    "encapsulation": ["route add default encap ip id 7 dst 192.0.2.9 via 10.244.0.1 dev eth0"],
    "several interfaces": [
        "route add default via 10.244.0.1 dev eth0",
        "route add default via 10.245.0.1 dev net0 metric 10",
    ],
    "v6": ["-6 route add default via fd20::1 dev eth0"],
    "v6 attributes": ["-6 route add default via fd20::1 dev eth0 proto bird metric 300 mtu 1400 hoplimit 9 pref high"],
    "v6 source": ["-6 route add default from fd20::/64 via fd20::1 dev eth0"],
    "v6 preferred source": ["-6 route add default via fd20::1 dev eth0 src fd20::5"],
    "v6 several next hops": [
        "-6 route add default metric 5 nexthop via fd20::1 dev eth0 weight 3 nexthop via fd21::1 dev net0 weight 7"
    ],
    "v6 onlink": ["-6 route add default via fd99::1 dev eth0 onlink"],
    "both families": ["route add default via 10.244.0.1 dev eth0", "-6 route add default via fd20::1 dev eth0"],
}


def _defaults(pod: Pod) -> list[str]:
    return [pod.ip(f"-d {family} route show default") for family in ("-4", "-6")]


@pytest.fixture
def other(pod: Pod) -> Pod:
    """With two other interfaces."""
    pod.add_eth0("10.244.0.5/24", "fd20::5/64")
    pod.add_eth0("10.245.0.5/24", "fd21::5/64", ifname="net0")
    return pod


@pytest.mark.parametrize("routes", ROUTES.values(), ids=ROUTES)
def test_every_route_comes_back_as_it_was(other: Pod, routes: list[str]) -> None:
    for route in routes:
        other.ip(route)
    before = _defaults(other)
    record = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    assert [line.split(" proto")[0] for text in _defaults(other) for line in text.splitlines()] == [
        "unicast default via 10.0.0.1 dev eth1",
        "unicast default via fd00::1 dev eth1",
    ]
    assert codes(record) == []
    record = record.replace(layer3=json.loads(json.dumps(thaw(record.layer3))))  # as the journal keeps it
    other.ip("link del eth1")
    for _ in range(2):
        LAYER3.restore(record, Call.within(10))
    assert _defaults(other) == before


def test_the_time_that_a_route_has_left_comes_back(other: Pod) -> None:
    other.ip("-6 route add default via fd20::1 dev eth0 proto ra expires 1000")
    record = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    other.ip("link del eth1")
    LAYER3.restore(record, Call.within(10))
    words = other.ip("-6 route show default").split()
    assert words[:7] == ["default", "via", "fd20::1", "dev", "eth0", "proto", "ra"]
    assert 0 < int(words[words.index("expires") + 1].removesuffix("sec")) <= 1000


def test_a_repair_records_each_route_once(other: Pod) -> None:
    """Taken before; new since; given back meanwhile by the detach that some repairs begin with."""
    other.ip("route add default via 10.244.0.1 dev eth0")
    attachment = other.attachment("10.0.0.2/24", "fd00::2/64")
    first = other.apply(attachment, OPTIONS)
    assert applied(first).layer3 == first.layer3
    other.ip("route add default via 10.245.0.1 dev net0 metric 10")
    second = applied(first)
    assert [str(route) for route in _recorded(second.layer3)] == [
        "default via 10.244.0.1 dev eth0",
        "default via 10.245.0.1 dev net0 metric 10",
    ]
    other.ip("route del default dev eth1")
    LAYER3.restore(second, Call.within(10))
    assert sorted(map(str, _recorded(LAYER3.prior(second)))) == sorted(map(str, _recorded(second.layer3)))
    applied(second)
    other.ip("link del eth1")
    LAYER3.restore(second, Call.within(10))
    assert [line.split()[4] for line in other.ip("route show default").splitlines()] == ["eth0", "net0"]


def test_routes_of_one_place_of_which_some_were_given_back_before_a_kill(other: Pod) -> None:
    """What was given back is no successor of those that were not yet."""
    for words in ("add default via 10.244.0.1", "append default via 10.244.0.2", "append default via 10.244.0.3"):
        other.ip(f"route {words} dev eth0")
    before = _defaults(other)
    first = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    other.ip("route del default dev eth1")
    other.ip("route add default via 10.244.0.1 dev eth0")
    second = applied(first)
    assert second.layer3 == first.layer3
    other.ip("link del eth1")
    LAYER3.restore(second, Call.within(10))
    assert _defaults(other) == before


def _recorded(layer3: object) -> list[SavedRoute]:
    return [SavedRoute(**item) for item in thaw(layer3)["taken_routes"]]


def test_a_route_that_appeared_meanwhile_is_not_destroyed(other: Pod) -> None:
    record = other.record(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    record = record.replace(layer3=LAYER3.prior(record))
    other.ip("route add default via 10.244.0.1 dev eth0 metric 50")
    before = other.ip("route show default")
    with pytest.raises(Busy, match=r"the Pod got the route default via 10.244.0.1 dev eth0 metric 50"):
        LAYER3.apply(record, Call.within(10))
    assert other.ip("route show default") == before
    applied(record)
    assert "eth0" not in other.ip("route show default")


def test_what_took_the_place_of_a_route_stays(other: Pod) -> None:
    other.ip("route add default via 10.244.0.1 dev eth0")
    other.ip("route add default via 10.244.0.2 dev eth0 metric 5")
    record = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    other.ip("link del eth1")
    other.ip("route add default via 10.244.0.9 dev eth0")
    LAYER3.restore(record, Call.within(10))
    assert [line.split()[2] for line in other.ip("route show default").splitlines()] == ["10.244.0.9", "10.244.0.2"]


def test_a_route_whose_interface_is_gone_or_made_again(other: Pod) -> None:
    """The index of a link is no part of what is recorded."""
    other.ip("route add default via 10.244.0.1 dev eth0")
    other.ip("route add default via 10.245.0.1 dev net0 metric 10")
    record = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    for ifname in ("eth1", "eth0", "net0"):
        other.ip(f"link del {ifname}")
    other.add_eth0("10.245.0.5/24", ifname="net0")
    LAYER3.restore(record, Call.within(10))
    assert other.ip("route show default").split() == ["default", "via", "10.245.0.1", "dev", "net0", "metric", "10"]


def test_what_the_kernel_refuses_by_now_does_not_keep_the_network(other: Pod) -> None:
    other.ip("route add default via 10.244.0.1 dev eth0")
    record = other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    other.ip("link del eth1")
    other.ip("addr flush dev eth0")
    LAYER3.restore(record, Call.within(10))
    assert other.ip("route show default") == ""


def test_a_route_that_could_not_be_given_back_is_not_taken(other: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made up: this kernel tells nothing of a route that it does not take."""
    other.ip("route add default via 10.244.0.1 dev eth0")
    before = other.ip("route show default")
    whole = SavedRouteRequests.whole_routes

    def with_more(pod: SavedRouteRequests, dst: str) -> tuple[SavedRoute, ...]:
        return tuple(
            SavedRoute(message=to_json(route)["message"] + "0800c70000000001", ifnames=route.ifnames)
            for route in whole(pod, dst)
        )

    monkeypatch.setattr(SavedRouteRequests, "whole_routes", with_more)
    with pytest.raises(
        Unsupported, match=r"default via 10.244.0.1 dev eth0, which could not be given back.*attribute 199"
    ):
        other.apply(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS)
    assert other.ip("route show default") == before


FORMER = [
    {
        "ifname": "eth0",
        "route": {
            "family": 4,
            "dst": "0.0.0.0/0",
            "index": 9,
            "gw": "10.244.0.1",
            "mtu": 1400,
            "priority": 7,
            "protocol": 3,
        },
    },
    {
        "ifname": "eth0",
        "route": {"family": 6, "dst": "::/0", "index": 9, "gw": "fd20::1", "priority": 1024, "table": 254},
    },
    {
        "ifname": "net0",
        "route": {"family": 4, "dst": "0.0.0.0/0", "index": 9, "gw": "fd21::1", "source": "10.245.0.5", "onlink": True},
    },
]


def test_routes_that_an_earlier_agent_recorded_come_back(other: Pod) -> None:
    record = other.record(other.attachment("10.0.0.2/24", "fd00::2/64"), OPTIONS).replace(
        layer3={"default_routes": FORMER}
    )
    record = applied(applied(record))
    assert "default_routes" not in record.layer3
    other.ip("link del eth1")
    LAYER3.restore(record, Call.within(10))
    assert [line.split() for line in other.ip("-4 route show default").splitlines()] == [
        ["default", "via", "inet6", "fd21::1", "dev", "net0", "proto", "static", "src", "10.245.0.5", "onlink"],
        ["default", "via", "10.244.0.1", "dev", "eth0", "metric", "7", "mtu", "1400"],
    ]
    assert "default via fd20::1 dev eth0" in other.ip("-6 route show default")
