"""Pods that start while the agent of their node is stopped, and then dies: no sandbox fails, and no address is lost.

With the option --all: 200 Pods on both nodes, and an outage of a minute.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from secnet_testing.kubernetes.balance import network_status
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.node import ClusterNode
from secnet_testing.kubernetes.pods import nad, pod, pool

PROGRAM = "/opt/cni/bin/secnet-cni"


@dataclass(frozen=True, kw_only=True)
class Outage:
    """How many Pods of each kind start on how many nodes, and the seconds for which the agents are stopped at least."""

    nodes: int
    ordinary: int
    networked: int
    seconds: float


@pytest.fixture
def outage(pytestconfig: pytest.Config) -> Outage:
    """Of a size that the tier has time for, unless all is asked for."""
    if pytestconfig.getoption("all"):
        return Outage(nodes=2, ordinary=130, networked=70, seconds=60)
    return Outage(nodes=1, ordinary=12, networked=8, seconds=0)


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


def assert_no_primary_address_leaks(cluster: LocalCluster, nodes: Sequence[ClusterNode]) -> None:
    for node in nodes:
        cluster.wait(
            lambda node=node: primary_addresses(node) == addresses_of_pods(cluster, node.name),
            f"primary addresses of {node.name} are free again",
        )


def test_pods_start_while_the_agent_is_stopped_and_dies(
    local_cluster: LocalCluster, blue: OwnNamespace, outage: Outage
) -> None:
    nodes = list(local_cluster.nodes.values())[: outage.nodes]
    agents = {node.name: node.run("pgrep", "-f", "secnet agent").split() for node in nodes}
    recent = ["find", "/etc/cni/net.d", "-newerct", "16 seconds ago"]  # until then no Pod waits for minutes
    for node in nodes:
        local_cluster.wait(lambda node=node: not node.run(*recent), "the entry was not written just now", 30)
    began = time.monotonic()
    for node in nodes:
        node.run("kill", "-STOP", *agents[node.name])
    ordinary = [f"ordinary-{number}" for number in range(outage.ordinary)]
    networked = [f"networked-{number}" for number in range(outage.networked)]
    homes = [node.name for node in nodes]
    blue.apply(
        *(pod(name, "blue", node=homes[number % len(homes)]) for number, name in enumerate(networked)),
        *(pod(name, node=homes[number % len(homes)]) for number, name in enumerate(ordinary)),
    )
    blue.wait_ready(*ordinary, seconds=300)
    time.sleep(max(0.0, began + outage.seconds - time.monotonic()))
    assert {blue.get("pod", name)["status"]["phase"] for name in networked} == {"Pending"}
    for node in nodes:
        node.run("kill", "-KILL", *agents[node.name])
    blue.wait_ready(*networked, seconds=300)
    assert failures(blue) == []
    given = [network_status(blue.get("pod", name))[0]["ips"][0] for name in networked]
    assert len(set(given)) == outage.networked
    blue.inside(networked[0], "ping", "-c", "2", "-W", "2", given[1])
    blue.kubectl("delete", "pods", "--all", "--wait", timeout=300)
    assert_no_primary_address_leaks(local_cluster, nodes)


def test_a_node_that_lost_the_program_gets_it_back(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    node.run("rm", PROGRAM, "/opt/cni/bin/secnet")
    local_cluster.wait(lambda: node.run("ls", PROGRAM), "it is put back", 10)
    blue.apply(pod("a", node=node.name), pod("b", "blue", node=node.name))
    blue.wait_ready()
    assert failures(blue) == []
    blue.kubectl("delete", "pods", "--all", "--wait")
    assert_no_primary_address_leaks(local_cluster, [node])
