"""`secnet node teardown` on a node with an Open vSwitch: refused while the node is in use, then nothing of ours is left."""

from __future__ import annotations

import pytest
from secnet_testing.node import BRIDGE, Node
from secnet_testing.objects import nad, pod

pytestmark = pytest.mark.ovs


def _bridges(node: Node) -> list[str]:
    return node.ovs.vsctl("list-br").split()


def test_a_node_is_torn_down_once_it_is_not_in_use(node: Node) -> None:
    node.store.apply(nad("net", vlan=10))
    node.store.apply(pod("web", node.pod("web").path, "net"))
    node.agent()
    node.wait_attached("web")

    running = node.cli("node", "teardown")
    assert running.returncode == 1
    assert "secnet agent" in running.stderr
    assert "already reconciles" in running.stderr

    node.stop()
    in_use = node.cli("node", "teardown")
    assert in_use.returncode == 1
    assert "default/web" in in_use.stdout
    assert BRIDGE in _bridges(node)

    node.store.delete("Pod", "web", "default")
    node.agent()
    node.wait_until(lambda: not node.records(), "the interface is detached")
    node.stop()
    done = node.cli("node", "teardown")
    assert f"network type vlan: removed: bridge.delete bridge={BRIDGE}" in done.stdout
    assert "the node configuration still has its section" in done.stdout
    assert _bridges(node) == []
    assert "network type vlan: nothing to remove" in node.cli("node", "teardown").stdout
