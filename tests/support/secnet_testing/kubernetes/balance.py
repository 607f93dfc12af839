"""Whether what each part of a cluster has recorded about secondary networks is the same: nothing lost, nothing left."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from .cluster import Cluster, Object
from .node import ClusterNode

__all__ = ["NETWORKS", "assert_balanced", "network_status"]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
_STATUS = "k8s.v1.cni.cncf.io/network-status"


def network_status(pod: Object) -> list[Object]:
    """The secondary networks in a Pod's network-status."""
    found = json.loads(pod["metadata"].get("annotations", {}).get(_STATUS, "[]"))
    return [each for each in found if not each.get("default")]


def assert_balanced(cluster: Cluster, seconds: float = 60) -> None:
    """Wait until journals, ports, links in Pods, pools and living Pods agree. AssertionError says what differs.

    Of a cluster that a test cannot reach into, Pods and pools are compared. `cluster.apart` are namespaces with a test of
    their own that still runs.
    """
    cluster.wait(lambda: _compare(cluster), "records, ports, links, pools and Pods agree", seconds)


def _compare(cluster: Cluster) -> bool:
    living = [
        pod for pod in cluster.list("pods") if _has_networks(pod) and pod["metadata"]["namespace"] not in cluster.apart
    ]
    reported = {
        (_name(pod), each["interface"]): (each["mac"], tuple(sorted(each.get("ips", []))))
        for pod in living
        for each in network_status(pod)
    }
    asked = {_name(pod) for pod in living}
    assert {pod for pod, _ in reported} == asked, f"without network-status: {asked - {pod for pod, _ in reported}}"
    _compare_pools(cluster, reported)
    for node in cluster.nodes.values():
        if node.running:
            here = {_name(pod) for pod in living if pod["spec"]["nodeName"] == node.name}
            _compare_node(node, {key: value for key, value in reported.items() if key[0] in here})
    return True


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _has_networks(pod: Object) -> bool:
    return (
        bool(pod["metadata"].get("annotations", {}).get(NETWORKS))
        and pod["status"].get("phase") == "Running"
        and not pod["spec"].get("hostNetwork")
    )


def _compare_pools(cluster: Cluster, reported: dict[tuple[str, str], tuple[str, tuple[str, ...]]]) -> None:
    listed: Counter[tuple[str, str]] = Counter()
    for pool in cluster.kubectl.list("ippools.crd.antrea.io"):
        for entry in pool.get("status", {}).get("ipAddresses", []):
            owner = entry["owner"]["pod"]
            if owner["namespace"] in cluster.apart:
                continue
            listed[f"{owner['namespace']}/{owner['name']}", entry["ipAddress"]] += 1
    used = Counter((pod, ip) for (pod, _), (_, ips) in reported.items() for ip in ips)
    assert listed == used, f"in pools, not in Pods: {listed - used}; in Pods, not in pools: {used - listed}"


def _compare_node(node: ClusterNode, reported: dict[tuple[str, str], tuple[str, tuple[str, ...]]]) -> None:
    found = {}
    for pod, sandbox in node.sandboxes().items():
        for link in json.loads(node.run("ip", "-j", "-n", Path(sandbox.netns).name, "address")):
            addresses = [each["local"] for each in link["addr_info"] if each["scope"] == "global"]
            found[pod, link["ifname"]] = (link["address"], tuple(sorted(addresses)))
    missing = {key: value for key, value in reported.items() if found.get(key) != value}
    assert not missing, f"{node.name}: in network-status, not in the Pod: {missing}; there is {found}"
    journal = node.run("sh", "-c", "ls /run/secnet/journal 2>/dev/null | wc -l").strip()
    assert int(journal) == len(reported), f"{node.name}: {journal} records, {len(reported)} interfaces"
    links = [each["ifname"] for each in json.loads(node.run("ip", "-j", "link")) if each["ifname"].startswith("sn")]
    ports = node.run("sh", "-c", "ovs-vsctl --columns=name --bare find interface 'name!=\"\"'").split()
    ours = [port for port in ports if port.startswith("sn")]
    assert sorted(links) == sorted(ours), f"{node.name}: links {links}, ports {ours}"
    assert len(links) == len(reported), f"{node.name}: links {links}, interfaces {sorted(reported)}"
