"""A network beside the subnets that its addresses come from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from secnet.agent.model.network import NetworkConfig
from secnet.agent.validate._networks import examine_network
from secnet.contract import LeaseOutline, NetworkRef, Route

CONFIG = NetworkConfig(network=NetworkRef(namespace="default", name="blue"), network_type="vlan")
BOTH = LeaseOutline(subnets=("10.0.0.0/24", "fd00::/64"))


@pytest.mark.parametrize(
    ("mtu", "outline", "found"),
    [
        (1279, BOTH, ["$.mtu"]),
        (1280, BOTH, []),
        (None, BOTH, []),
        (68, LeaseOutline(subnets=("10.0.0.0/24",)), []),
        (68, LeaseOutline(), []),
    ],
)
def test_the_mtu(mtu: int | None, outline: LeaseOutline, found: list[str]) -> None:
    problems = list(examine_network(replace(CONFIG, mtu=mtu), outline))
    assert [problem.path for problem in problems] == found
    assert not any(problem.note for problem in problems)


@pytest.mark.parametrize(
    ("route", "count"),
    [
        (Route(dst="10.0.0.0/24"), 1),
        (Route(dst="10.0.0.0/24", gw="10.0.0.1", table=254), 1),
        (Route(dst="fd00::/64"), 1),
        (Route(dst="10.0.0.0/24", priority=50), 0),
        (Route(dst="10.0.0.0/24", table=7), 0),
        (Route(dst="10.0.0.0/25"), 0),
        (Route(dst="0.0.0.0/0"), 0),
    ],
)
def test_a_route_to_the_own_subnet(route: Route, count: int) -> None:
    problems = list(examine_network(CONFIG, replace(BOTH, routes=(route,))))
    assert [(problem.path, problem.note) for problem in problems] == [("$.ipam.routes", True)] * count
