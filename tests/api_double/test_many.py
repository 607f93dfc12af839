"""Many Pods at once, two nodes, and agents that are killed at any moment."""

from __future__ import annotations

import random
import time

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

SEED = 20260


def prepared(node: ClusterNode, *, agent: bool = True) -> ClusterNode:
    """The network and pool `blue`, and the plugin in the chain."""
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    if agent:
        node.node.agent()
        node.wait_chained()
    return node


def test_twenty_pods_at_once(cluster_node_factory: ClusterNodeFactory) -> None:
    node = prepared(cluster_node_factory(sync=True))
    names = [f"p{number}" for number in range(20)]
    for name in names:
        node.api.create(pod(name, "blue"))
    node.wait_attached(*names, within=90)
    addresses = {node.address(name) for name in names}
    assert len(addresses) == len(names)
    assert node.pings(names[0], node.address(names[-1]))
    for name in names:
        node.delete(name)
    node.wait_gone(*names, within=90)
    assert (node.used("blue"), node.ports()) == (0, [])


def test_two_nodes_share_a_pool(cluster_node_factory: ClusterNodeFactory) -> None:
    first = prepared(cluster_node_factory(sync=True))
    second = cluster_node_factory(sync=True)
    second.node.agent()
    second.wait_chained()
    for number in range(6):
        owner = (first, second)[number % 2]
        owner.api.create(pod(f"p{number}", "blue", node=owner.name))
    names = [f"p{number}" for number in range(6)]
    for number, name in enumerate(names):
        (first, second)[number % 2].wait_attached(name)
    assert len({first.address(name) for name in names}) == 6
    assert {r.pod.name for r in second.node.records() if r.pod} == {"p1", "p3", "p5"}


def test_agents_killed_at_random_moments_lose_nothing(cluster_node_factory: ClusterNodeFactory) -> None:
    """The kill comes at another moment each round; what the Pods want must come true all the same, and nothing be left."""
    node = prepared(cluster_node_factory(sync=True))
    moments = random.Random(SEED)
    for cycle in range(4):
        names = [f"p{cycle}-{number}" for number in range(5)]
        for name in names:
            node.api.create(pod(name, "blue"))
        time.sleep(moments.uniform(0.1, 1.2))  # the moment is the input of this test, not something it waits for
        node.node.agents[-1].kill()
        node.node.agent()
        node.wait_attached(*names, within=60)
        assert len({node.address(name) for name in names}) == len(names)
        for name in names:
            node.delete(name)
        time.sleep(moments.uniform(0.0, 0.6))
        node.node.agents[-1].kill()
        node.node.agent()
        node.wait_gone(*names, within=60)
    node.wait(lambda: node.used("blue") == 0 and node.ports() == [], "nothing is left")
    assert node.node.records() == ()
