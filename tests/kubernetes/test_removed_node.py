"""A node that is gone for good. Its addresses come back within the time that docs/operations.md has, by the default settings.

The first test removes the node and runs early, the second one looks at the end: the wait lies beside all other tests.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool

PROMISED = 80 + 60 + 5 * 60 + 60
"""Seconds: until Kubernetes deletes the Pods, until an agent misses them, five minutes, and one for a machine that is busy."""


@dataclass(kw_only=True)
class Removal:
    """When the node was removed, and which pool had addresses of it."""

    pool: str = ""
    at: float = field(default=0.0)


@pytest.fixture(scope="session")
def removal() -> Removal:
    """What the two tests share."""
    return Removal()


def entries(cluster: LocalCluster, name: str) -> list[str]:
    found = cluster.get("ippools.crd.antrea.io", name)
    assert found is not None
    return [entry["owner"]["pod"]["name"] for entry in found.get("status", {}).get("ipAddresses", [])]


def youngest_agent(cluster: LocalCluster) -> float:
    """For how many seconds the agent that started last has run."""
    ages = [
        float(age)
        for node in cluster.nodes.values()
        for pid in node.pids("secnet")
        for age in node.run("ps", "-o", "etimes=", "-p", str(pid)).split()
    ]
    return min(ages)


def test_a_node_is_removed(local_cluster: LocalCluster, removal: Removal) -> None:
    cluster = local_cluster
    node = cluster.add_node()
    space = OwnNamespace(name="sn-removed", cluster=cluster)
    cluster.apart.add(space.name)
    cluster.kubectl("create", "namespace", space.name)
    cluster.wait(lambda: cluster.get("serviceaccount", "default", space.name), "its account is there")
    space.apply(pool("sn-removed", "10.60.0.10", "10.60.0.20", "10.60.0.1", 24), nad("grey", 160, "sn-removed"))
    space.apply(*(pod(name, "grey", node=node.name) for name in ("x", "y")))
    try:
        # The node has no startup taint, so its Pods may run before their networks are there.
        cluster.wait(lambda: sorted(entries(cluster, "sn-removed")) == ["x", "y"], "both have their addresses", 120)
    finally:  # it is not part of what other tests compare
        node.crash()
        cluster.kubectl("delete", "node", node.name)
        del cluster.nodes[node.name]
    removal.pool, removal.at = "sn-removed", time.monotonic()


def test_the_addresses_of_a_removed_node_come_back(local_cluster: LocalCluster, removal: Removal) -> None:
    if not removal.pool:
        pytest.skip("no node was removed, as the test before was not chosen")
    # An agent that starts looks again for the whole of the time.
    began = max(removal.at, time.monotonic() - youngest_agent(local_cluster))
    left = max(1.0, PROMISED - (time.monotonic() - began))
    local_cluster.wait(lambda: entries(local_cluster, removal.pool) == [], "no address is listed", left)
    local_cluster.kubectl("delete", "namespace", "sn-removed", "--timeout=60s")
    local_cluster.apart.clear()
