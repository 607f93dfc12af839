"""Changing from one set of components to another, and leaving. Last of all, as nothing is installed afterwards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from secnet_testing.kubernetes import secnet
from secnet_testing.kubernetes.balance import network_status
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool

ENTRY = "secnet-cni"


def unchain(cluster: LocalCluster) -> None:
    """The documents' commands before the component sync goes, and that they did what they are for."""
    secnet.unchain(cluster)
    for node in cluster.nodes.values():
        assert ENTRY not in node.read("/etc/cni/net.d/10-bridge.conflist")


def attached(namespace: OwnNamespace, name: str) -> bool:
    return bool(network_status(namespace.get("pod", name)))


def test_every_switch_of_components_keeps_the_interfaces(
    local_cluster: LocalCluster, namespace: OwnNamespace, tmp_path: Path
) -> None:
    namespace.apply(
        pool(namespace.name, "10.70.0.10", "10.70.0.200", "10.70.0.1", 24), nad("pink", 170, namespace.name)
    )
    namespace.apply(pod("a", "pink", node="n1"), pod("b", "pink", node="n2"))
    namespace.wait_ready("a", "b")
    held = network_status(namespace.get("pod", "b"))
    before = ["sync"]
    switches: list[list[str]] = [[], ["sriov"], ["sync", "sriov"], ["multus"], ["sync"]]
    for number, components in enumerate(switches):
        if "sync" in before and "sync" not in components:
            unchain(local_cluster)
        secnet.deploy(local_cluster, secnet.kustomization(tmp_path / str(number), *components))
        for node in local_cluster.nodes.values():
            chained = ENTRY in node.read("/etc/cni/net.d/10-bridge.conflist")
            assert chained == ("sync" in components), f"{components} on {node.name}"
        namespace.inside("a", "ping", "-c", "2", "-W", "2", "-I", "eth1", held[0]["ips"][0])
        assert network_status(namespace.get("pod", "b")) == held
        if "multus" not in components:  # with it, only Multus asks for networks
            namespace.apply(pod(f"new-{number}", "pink"))
            namespace.wait_ready(f"new-{number}")
            local_cluster.wait(partial(attached, namespace, f"new-{number}"), f"new-{number} has its network")
        before = components


def test_an_installation_goes_and_leaves_nodes_that_start_pods(
    local_cluster: LocalCluster, namespace: OwnNamespace, tmp_path: Path
) -> None:
    namespace.apply(nad("stays", 171), pool("stays", "10.71.0.10", "10.71.0.20", "10.71.0.1", 24))
    unchain(local_cluster)
    gone = str(secnet.kustomization(tmp_path / "gone", "sync", "policies"))
    local_cluster.kubectl("delete", "-k", gone, "--ignore-not-found")  # the DaemonSet went before
    namespace.apply(*(pod(f"plain-{node}", node=node) for node in local_cluster.nodes))
    namespace.wait_ready()
    assert namespace.get("network-attachment-definitions", "stays")
    assert local_cluster.get("ippools", "stays")
    for node in local_cluster.nodes.values():
        assert "sn" not in {link[:2] for link in node.run("ls", "/sys/class/net").split()}
    local_cluster.kubectl("delete", "ippool", "stays")
