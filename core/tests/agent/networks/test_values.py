"""Values of a network selection element in canonical form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from secnet.agent.networks import values
from secnet.agent.networks.values import BadValue


@pytest.mark.parametrize(
    ("parse", "given", "wanted"),
    [
        (values.mac, "AA-BB-CC-DD-EE-02", "aa:bb:cc:dd:ee:02"),
        (values.mac, "aabb.ccdd.ee02", "aa:bb:cc:dd:ee:02"),
        (values.guid, "00:11:22:33:44:55:66:77", "00:11:22:33:44:55:66:77"),
        (values.ips, ["10.0.0.5/24", "2001:DB8::1"], ("10.0.0.5/24", "2001:db8::1")),
        (values.default_route, [], ()),
        (values.bandwidth, {"INGRESSRATE": 5, "ingressBurst": 1}, {"ingressRate": 5, "ingressBurst": 1}),
        (
            values.port_mappings,
            [{"hostPort": 80, "containerPort": 8080, "protocol": "UDP"}],
            ({"hostPort": 80, "containerPort": 8080, "protocol": "udp"},),
        ),
        (values.interface, "net1", "net1"),
        (values.object_name, "a.b-c", "a.b-c"),
    ],
)
def test_canonical(parse: Callable[[Any], Any], given: Any, wanted: Any) -> None:
    assert parse(given) == wanted


@pytest.mark.parametrize(
    ("parse", "given", "path"),
    [
        (values.mac, "01:00:00:00:00:01", ()),
        (values.mac, "00:00:00:00:00:00", ()),
        (values.ips, [], ()),
        (values.ips, ["10.0.0.5", "10.0.0.5/24"], (1,)),
        (values.ips, ["224.0.0.1"], (0,)),
        (values.default_route, ["10.0.0.1/24"], (0,)),
        (values.bandwidth, {"ingressBurst": 5}, ("ingressBurst",)),
        (values.bandwidth, {"ingressRate": True}, ("ingressRate",)),
        (values.port_mappings, [{"hostPort": 0, "containerPort": 1}], (0, "hostPort")),
        (values.interface, "eth0", ()),
        (values.interface, "x" * 16, ()),
        (values.object_name, "a/b", ()),
        (values.cni_args, [], ()),
    ],
)
def test_what_breaks_its_rule_is_refused_where_it_stands(parse: Callable[[Any], Any], given: Any, path: Any) -> None:
    with pytest.raises(BadValue) as caught:
        parse(given)
    assert caught.value.path == path
    assert caught.value.hint
