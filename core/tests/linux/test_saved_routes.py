"""Routes as a whole: through the JSON of a record and back into the kernel."""

from __future__ import annotations

import json

import pytest
from secnet.contract import from_json, to_json
from secnet.linux.rtnl import SavedRoute
from secnet_testing.netns import run_in

from .conftest import Wire

pytestmark = pytest.mark.kernel

ROUTES = (
    "-4 route add default via 10.1.0.1 dev eth1 metric 5 mtu 1300",
    "-6 route add default via fd01::1 dev eth1 proto bird pref low",
)


@pytest.fixture
def net(wire: Wire) -> Wire:
    wire.up()
    wire.pod.add_address(wire.inner, "10.1.0.5/24")
    wire.pod.add_address(wire.inner, "fd01::5/64")
    for route in ROUTES:
        run_in(wire.pod_ns, ["ip", *route.split()])
    return wire


def _shown(net: Wire) -> list[str]:
    return [run_in(net.pod_ns, ["ip", "-d", family, "route"]) for family in ("-4", "-6")]


def _saved(net: Wire) -> tuple[SavedRoute, ...]:
    return (*net.pod.whole_routes("0.0.0.0/0"), *net.pod.whole_routes("::/0"))


def test_through_a_record_and_back(net: Wire) -> None:
    before, routes = _shown(net), _saved(net)
    assert list(map(str, routes)) == [
        "default via 10.1.0.1 dev eth1 metric 5",
        "default via fd01::1 dev eth1 metric 1024",
    ]
    for route in routes:
        net.pod.remove_route(route)
        net.pod.remove_route(route)
    assert _saved(net) == ()
    again = [from_json(SavedRoute, json.loads(json.dumps(to_json(route)))) for route in routes]
    assert tuple(again) == routes
    for route in again:
        assert net.pod.give_back_route(route)
        assert net.pod.give_back_route(route)
    assert _shown(net) == before


def test_only_that_very_route_is_removed(net: Wire) -> None:
    (route,) = net.pod.whole_routes("0.0.0.0/0")
    run_in(net.pod_ns, ["ip", "route", "append", "default", "via", "10.1.0.2", "dev", "eth1", "metric", "5"])
    net.pod.remove_route(route)
    assert [str(left) for left in net.pod.whole_routes("0.0.0.0/0")] == ["default via 10.1.0.2 dev eth1 metric 5"]


def test_the_link_is_found_by_its_name(net: Wire) -> None:
    routes = _saved(net)
    for route in routes:
        net.pod.remove_route(route)
    net.pod.set_link(net.inner, up=False)
    net.pod.set_link(net.inner, name="old1")
    assert [net.pod.give_back_route(route) for route in routes] == [False, False]
    for route in routes:
        net.pod.remove_route(route)


def test_an_attribute_that_is_not_known_is_an_obstacle(net: Wire) -> None:
    """Made up: this kernel tells nothing of a route that it does not take."""
    for route in _saved(net):
        assert route.obstacle == ""
        assert "attribute 199" in SavedRoute(message=route.message + "0800c70000000001").obstacle
