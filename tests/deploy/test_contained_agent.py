"""A whole agent with what the manifests leave to it: read-only files, their mounts, their capabilities."""

from __future__ import annotations

import os
from typing import Any

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.daemonset_container import contained

pytestmark = pytest.mark.runtime


def start(node: ClusterNode, component: str) -> None:
    """Its file systems are made read-only one by one first: that takes longer the more of them other tests have."""
    node.node.agent(program=contained(node, component), ready=False).wait_started(within=120)


def lives_a_life(node: ClusterNode) -> None:
    """Two Pods get the network, reach each other, and go."""
    for name in ("a", "b"):
        node.api.create(pod(name, "blue"))
    node.wait_attached("a", "b")
    assert node.pings("a", node.address("b"))
    for name in ("a", "b"):
        node.delete(name)
    node.wait_gone("a", "b")
    assert (node.used("blue"), node.ports()) == (0, [])


def made(factory: ClusterNodeFactory, **options: Any) -> ClusterNode:
    node = factory(http={"listen": "127.0.0.1:19465"}, **options)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    return node


@pytest.mark.parametrize("component", ["", "antrea", "sriov"])
def test_beside_the_pods(cluster_node_factory: ClusterNodeFactory, component: str) -> None:
    node = made(cluster_node_factory)
    start(node, component)
    node.wait(lambda: node.readyz(19465)[0] == 200, "the agent is ready, so its bridge is made")
    lives_a_life(node)
    node.node.stop()


@pytest.mark.parametrize("owner", [(0, 0), (64001, 64001), (0, 64001)])
def test_in_the_runtimes_chain(cluster_node_factory: ClusterNodeFactory, owner: tuple[int, int]) -> None:
    """The runtime's directories belong to root, or, as Kubespray has it, to another user or group."""
    node = made(cluster_node_factory, sync=True)
    conflist = node.runtime.cni_conf / "10-primary.conflist"
    for path in (node.runtime.cni_conf, node.runtime.cni_bin, conflist):
        os.chown(path, *owner)
    start(node, "sync")
    node.wait_chained()
    assert (conflist.stat().st_uid, conflist.stat().st_gid) == owner
    lives_a_life(node)
    node.node.stop()
