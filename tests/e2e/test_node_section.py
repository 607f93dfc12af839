"""A section of the node configuration that is taken away: what it had made goes, with whatever the driver's probe says."""

from __future__ import annotations

import pytest
from secnet_testing.node import BRIDGE, Node
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.ovs


def _has_bridge(node: Node) -> bool:
    return BRIDGE in node.ovs.vsctl("list-br").split()


def _without_section(node: Node) -> None:
    """The vlan driver's probe is not ready then, for it has no bridge."""
    node.stop()
    node.configure(ovsBridges=None, datapathType=None)


def _warnings(node: Node) -> list[str]:
    return [line for line in node.agents[-1].text.splitlines() if " WARNING " in line or " ERROR " in line]


def test_a_bridge_goes_with_its_section(node: Node) -> None:
    node.agent()
    node.wait_until(lambda: _has_bridge(node), "the bridge is made")
    _without_section(node)
    node.agent()
    node.wait_until(lambda: not _has_bridge(node), "the bridge is gone")
    assert _warnings(node) == []


def test_a_bridge_goes_when_the_switch_is_back(node: Node) -> None:
    node.agent()
    node.wait_until(lambda: _has_bridge(node), "the bridge is made")
    _without_section(node)
    node.ovs.stop_server()
    node.agent()
    node.wait_until(lambda: "network type vlan: node not ready" in node.agents[-1].text, "the problem is reported")
    node.ovs.start_server()
    node.wait_until(lambda: not _has_bridge(node), "the bridge is gone")


def test_a_bridge_without_section_stays_as_long_as_a_pod_uses_it(node: Node) -> None:
    node.store.apply(pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24))
    node.store.apply(nad("net", vlan=10, pools=["net"]))
    node.store.apply(pod("web", node.pod("web").path, "net"))
    node.agent()
    node.wait_attached("web")
    _without_section(node)
    node.agent()
    node.wait_until(lambda: "BridgeDraining" in node.agents[-1].text, "the bridge is told of")
    assert _has_bridge(node)
    node.store.delete("Pod", "web", "default")
    node.wait_until(lambda: not _has_bridge(node), "the bridge is gone")


def test_a_type_that_never_had_a_section_and_cannot_work_here_is_left_alone(node: Node) -> None:
    node.configure(ovsBridges=None, datapathType=None)
    node.ovs.stop_server()
    node.agent()
    assert _warnings(node) == []
