"""The speed of links, of real ones."""

from __future__ import annotations

import pytest
from secnet.linux.speed import link_speed
from secnet_testing.netns import Namespace, run_in

pytestmark = pytest.mark.kernel


def test_a_link_has_its_speed_in_the_namespace_of_the_caller(node_netns: Namespace) -> None:
    run_in(node_netns, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"])
    assert link_speed("up0") == 10_000, "what the kernel says of every veth"
    assert link_speed("lo") is None
    assert link_speed("absent") is None
