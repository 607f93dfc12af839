"""Bridges that differ by the labels of the Node: chosen at the start, and again when the labels change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.secnet_command import COMMAND

pytestmark = pytest.mark.runtime

BRIDGES = {
    "rack-a": {
        "selector": {"matchLabels": {"rack": "a"}},
        "drivers": {"vlan": {"ovsBridges": [{"bridgeName": "br-a"}]}},
    },
    "storage": {
        "selector": {"matchExpressions": [{"key": "storage", "operator": "Exists"}]},
        "ovsBridges": [{"bridgeName": "br-storage"}],
    },
}


def label(node: ClusterNode, **labels: str | None) -> None:
    node.api.patch(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}, {"metadata": {"labels": labels}}
    )


def bridges(node: ClusterNode) -> list[str]:
    return node.node.ovs.vsctl("list-br").split()


def made(factory: ClusterNodeFactory, **settings: Any) -> ClusterNode:
    return factory(nodeGroups=BRIDGES, workers={"checkInterval": 1, "drainSeconds": 5}, **settings)


def test_a_change_of_labels_is_followed_and_living_pods_stay(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory)
    label(node, rack="a")
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    # As the command that it is, so that it can start itself again.
    agent = node.node.agent(program=COMMAND)
    assert "node group: rack-a" in agent.text
    node.wait(lambda: bridges(node) == ["br-a"], "the group's bridge alone")
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    address = node.address("a")
    label(node, rack=None, storage="yes")
    node.wait(lambda: "node group: storage" in agent.text, "it starts again with the other group")
    node.wait(lambda: bridges(node) == ["br-a", "br-storage"], "the Pod's bridge stays, the other one is made")
    assert agent.running
    assert (node.address("a"), node.is_attached("a")) == (address, True)
    status = node.node.cli("status")
    assert (status.returncode, status.stderr) == (0, "")
    node.node.stop()


def test_an_ambiguous_match_is_refused_by_name(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory)
    label(node, rack="a", storage="yes")
    agent = node.node.agent(program=COMMAND, ready=False)
    node.wait(lambda: not agent.running, "it does not start")
    assert "match the node groups rack-a and storage" in agent.text
    assert json.dumps(bridges(node)) == "[]"
