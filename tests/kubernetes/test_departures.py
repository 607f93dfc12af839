"""Pods that go in the ways in which Pods go, and what they leave behind: nothing."""

from __future__ import annotations

import pytest
from secnet_testing.kubernetes.balance import assert_balanced, network_status
from secnet_testing.kubernetes.cluster import Cluster, LocalCluster
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import container, nad, pod, pool, workload


@pytest.fixture
def network(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with the network `red`."""
    namespace.apply(pool(namespace.name, "10.30.0.10", "10.30.0.200", "10.30.0.1", 24), nad("red", 130, namespace.name))
    return namespace


def test_a_drained_node_keeps_nothing(cluster: Cluster, network: OwnNamespace) -> None:
    node = cluster.node_names[1]
    network.apply(workload("Deployment", "d", "red", replicas=6))
    network.kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    try:
        cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        network.kubectl("rollout", "status", "deployment/d", "--timeout=60s")
        assert all(found["spec"]["nodeName"] != node for found in cluster.list("pods", network.name))
        assert_balanced(cluster)
    finally:
        cluster.kubectl("uncordon", node)


def test_a_namespace_goes_with_its_networks_and_pods(cluster: Cluster, network: OwnNamespace) -> None:
    inner = f"{network.name}-inner"
    cluster.kubectl("create", "namespace", inner)
    cluster.wait(lambda: cluster.get("serviceaccount", "default", inner), "its account is there")
    cluster.apply(nad("own", 131, network.name), namespace=inner)
    cluster.apply(workload("Deployment", "d", "own", replicas=4), namespace=inner)
    cluster.kubectl("-n", inner, "rollout", "status", "deployment/d", "--timeout=60s")
    cluster.kubectl("delete", "namespace", inner, "--timeout=90s")
    assert_balanced(cluster)


def test_a_pod_that_is_deleted_by_force_gives_its_address_back(cluster: Cluster, network: OwnNamespace) -> None:
    stubborn = container("trap '' TERM; while :; do sleep 1; done")
    network.apply(*(pod(name, "red", containers=[stubborn], terminationGracePeriodSeconds=30) for name in ("a", "b")))
    network.wait_ready()
    network.kubectl("delete", "pod", "a", "--force", "--grace-period=0")
    network.apply(pod("a", "red"))  # the same name, another Pod
    network.wait_ready("a")
    network.kubectl("delete", "pod", "b", "--force", "--grace-period=0")
    assert_balanced(cluster)


def test_a_killed_sandbox_comes_back_with_the_address_that_was_asked_for(
    local_cluster: LocalCluster, network: OwnNamespace
) -> None:
    network.apply(pod("p", '[{"name": "red", "ips": ["10.30.0.77"]}]', node="n1"))
    network.wait_ready("p")
    node, name = local_cluster.nodes["n1"], f"{network.name}/p"
    first = node.sandboxes()[name]
    node.run("ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", first.id)
    local_cluster.wait(lambda: node.sandboxes().get(name, first) != first, "it has another sandbox")
    network.wait_ready("p")
    assert_balanced(local_cluster)
    assert network_status(network.get("pod", "p"))[0]["ips"] == ["10.30.0.77"]
