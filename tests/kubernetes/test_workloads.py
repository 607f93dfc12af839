"""Every kind of Pod that a cluster has, with a network each."""

from __future__ import annotations

import json

import pytest
from secnet_testing.kubernetes.balance import NETWORKS, assert_balanced, network_status
from secnet_testing.kubernetes.cluster import Cluster, LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import container, nad, pod, pool, workload

CONDITION = "secnet.io/SecondaryNetworksReady"


@pytest.fixture
def network(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with the network `blue`."""
    namespace.apply(
        pool(namespace.name, "10.20.0.10", "10.20.0.200", "10.20.0.1", 24), nad("blue", 120, namespace.name)
    )
    return namespace


def condition(found: Object, kind: str) -> Object:
    conditions: list[Object] = found["status"].get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def addresses(cluster: Cluster, namespace: OwnNamespace) -> list[str]:
    """Of all running Pods."""
    running = [each for each in cluster.list("pods", namespace.name) if each["status"]["phase"] == "Running"]
    return [ip for each in running for status in network_status(each) for ip in status["ips"]]


def test_controllers_make_pods_with_networks_and_take_them_away(cluster: Cluster, network: OwnNamespace) -> None:
    shows = "ip -o address show dev eth1"
    claimed = '[{"name": "blue", "ips": ["10.20.0.77"]}]'
    network.apply(
        workload("Deployment", "d", "blue", replicas=4),
        workload("StatefulSet", "s", "blue", replicas=2, serviceName="s"),
        workload("Job", "j", "blue", script=shows),
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "c"},
            "spec": {
                "schedule": "0 0 1 1 *",
                "jobTemplate": {"spec": workload("Job", "c", claimed, script=shows)["spec"]},
            },
        },
    )
    network.kubectl("create", "job", "once", "--from=cronjob/c")
    for kind in ("deployment/d", "statefulset/s"):
        network.kubectl("rollout", "status", kind, "--timeout=60s")
    network.kubectl("wait", "--for=condition=Complete", "job/j", "job/once", "--timeout=60s")
    assert "10.20.0." in network.kubectl("logs", "job/j")
    assert "10.20.0.77/24" in network.kubectl("logs", "job/once")
    assert len(set(addresses(cluster, network))) == 6
    network.kubectl("rollout", "restart", "deployment/d", "statefulset/s")
    for kind in ("deployment/d", "statefulset/s"):
        network.kubectl("rollout", "status", kind, "--timeout=90s")
    network.kubectl("scale", "deployment/d", "--replicas=1")
    cluster.wait(lambda: len(addresses(cluster, network)) == 3, "three Pods are left")
    assert_balanced(cluster)  # the addresses of completed Pods are free


def test_containers_of_all_kinds_find_the_interface_at_their_start(network: OwnNamespace) -> None:
    first = container("ip -o link show dev eth1", name="init")
    sidecar = container("ip -o link show dev eth1 && exec sleep 100000", name="sidecar", restartPolicy="Always")
    network.apply(pod("p", "blue", initContainers=[first, sidecar]))
    network.wait_ready("p")
    for name in ("init", "sidecar"):
        assert "eth1" in network.kubectl("logs", "p", "-c", name)


def test_a_readiness_gate_waits_for_the_network(cluster: Cluster, network: OwnNamespace) -> None:
    gate = [{"conditionType": CONDITION}]
    network.apply(pod("gated", "blue", readinessGates=gate), pod("waits", "later", readinessGates=gate))
    network.wait_ready("gated")
    cluster.wait(lambda: condition(network.get("pod", "waits"), CONDITION).get("status") == "False", "it waits")
    assert condition(network.get("pod", "waits"), "Ready")["status"] == "False"
    network.apply(nad("later", 121, network.name))
    network.wait_ready("waits")
    assert condition(network.get("pod", "waits"), CONDITION)["status"] == "True"


def test_a_container_that_crashes_keeps_its_interface(cluster: Cluster, network: OwnNamespace) -> None:
    crashes = container("cat /sys/class/net/eth1/address; sleep 1; exit 1")
    network.apply(pod("p", "blue", containers=[crashes]))
    cluster.wait(
        lambda: network.get("pod", "p")["status"]["containerStatuses"][0]["restartCount"] >= 2, "it crashed twice"
    )
    status = network_status(network.get("pod", "p"))[0]
    # The log of a container that just went may be gone too: the next one has it.
    cluster.wait(
        lambda: network.kubectl("logs", "p", "--previous").strip() == status["mac"], "it found the same interface"
    )


def test_a_pod_in_the_network_of_its_node_gets_none(cluster: Cluster, network: OwnNamespace) -> None:
    network.apply(pod("p", "blue", hostNetwork=True))
    network.wait_ready("p")
    cluster.wait(
        lambda: any("remove hostNetwork" in event["message"] for event in cluster.list("events", network.name)),
        "an Event says what to change",
    )
    assert network_status(network.get("pod", "p")) == []


def test_a_static_pod_has_its_network(local_cluster: LocalCluster, network: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    manifest = pod("static", "blue")
    manifest["metadata"]["namespace"] = network.name
    file = "/etc/kubernetes/manifests/static.json"
    node.write(file, json.dumps(manifest))
    try:
        local_cluster.wait(lambda: local_cluster.get("pod", "static-n1", network.name), "the mirror Pod is there")
        network.wait_ready("static-n1")
        status = network_status(network.get("pod", "static-n1"))
        assert status[0]["ips"][0] in network.inside("static-n1", "ip", "address", "show", "dev", "eth1")
    finally:
        node.run("rm", file)
    local_cluster.wait(lambda: not local_cluster.get("pod", "static-n1", network.name), "the mirror Pod is gone")


def test_a_pod_that_is_annotated_later_gets_its_interface(cluster: Cluster, network: OwnNamespace) -> None:
    network.apply(pod("p"))
    network.wait_ready("p")
    network.kubectl("annotate", "pod", "p", f"{NETWORKS}=blue")
    cluster.wait(lambda: network_status(network.get("pod", "p")), "it has its network")
    network.inside("p", "ip", "link", "show", "dev", "eth1")
    network.kubectl("annotate", "pod", "p", f"{NETWORKS}-")
    cluster.wait(lambda: not network_status(network.get("pod", "p")), "the network is gone")
    assert "eth1" not in network.inside("p", "ip", "link")
