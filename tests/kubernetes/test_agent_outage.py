"""Pods that start while the agent of their node is stopped, and then dies: no sandbox fails, and no address is lost."""

from __future__ import annotations

import json

import pytest
from secnet_testing.kubernetes.balance import network_status
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.node import ClusterNode
from secnet_testing.kubernetes.pods import nad, pod, pool

ORDINARY, NETWORKED = 12, 8
PROGRAM = "/opt/cni/bin/secnet-cni"


@pytest.fixture
def blue(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with the network `blue`."""
    namespace.apply(
        pool(f"{namespace.name}-blue", "10.20.0.10", "10.20.0.250", "10.20.0.1", 24, vlan=120),
        nad("blue", 120, f"{namespace.name}-blue"),
    )
    return namespace


def primary_addresses(node: ClusterNode) -> set[str]:
    """Those that the primary network's IPAM plugin holds: a file each."""
    return {name for name in node.run("ls", "/var/lib/cni/ipam/pods").split() if name[0].isdigit()}


def addresses_of_pods(cluster: LocalCluster, node: str) -> set[str]:
    """Those of the Pods that Kubernetes has on a node."""
    pods = [each for each in cluster.list("pods") if each["spec"].get("nodeName") == node]
    return {
        each["status"]["podIP"] for each in pods if not each["spec"].get("hostNetwork") and "podIP" in each["status"]
    }


def failures(namespace: OwnNamespace) -> list[str]:
    """What the kubelet reported of sandboxes that it could not make."""
    events: list[Object] = json.loads(namespace.kubectl("get", "events", "-o", "json"))["items"]
    return [each["message"] for each in events if each["reason"] == "FailedCreatePodSandBox"]


def test_pods_start_while_the_agent_is_stopped_and_dies(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    agents = node.run("pgrep", "-f", "secnet agent").split()
    node.run("kill", "-STOP", *agents)
    ordinary = [f"ordinary-{number}" for number in range(ORDINARY)]
    networked = [f"networked-{number}" for number in range(NETWORKED)]
    blue.apply(
        *(pod(name, "blue", node=node.name) for name in networked), *(pod(name, node=node.name) for name in ordinary)
    )
    blue.wait_ready(*ordinary)
    waiting = [blue.get("pod", name)["status"]["phase"] for name in networked]
    assert waiting == ["Pending"] * NETWORKED
    node.run("kill", "-KILL", *agents)
    blue.wait_ready(*networked)
    assert failures(blue) == []
    given = [network_status(blue.get("pod", name))[0]["ips"][0] for name in networked]
    assert len(set(given)) == NETWORKED
    blue.inside(networked[0], "ping", "-c", "2", "-W", "2", given[1])
    blue.kubectl("delete", "pods", "--all", "--wait")
    local_cluster.wait(
        lambda: primary_addresses(node) == addresses_of_pods(local_cluster, node.name),
        "primary addresses are free again",
    )


def test_a_node_that_lost_the_program_gets_it_back(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    node.run("rm", PROGRAM, "/opt/cni/bin/secnet")
    local_cluster.wait(lambda: node.run("ls", PROGRAM), "it is put back", 10)
    blue.apply(pod("a", node=node.name), pod("b", "blue", node=node.name))
    blue.wait_ready()
    assert failures(blue) == []
    blue.kubectl("delete", "pods", "--all", "--wait")
    local_cluster.wait(
        lambda: primary_addresses(node) == addresses_of_pods(local_cluster, node.name),
        "primary addresses are free again",
    )
