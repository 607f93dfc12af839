"""VLAN networks between two nodes, as the document's examples have them."""

from __future__ import annotations

import pytest
from secnet_testing.kubernetes.balance import network_status
from secnet_testing.kubernetes.cluster import Cluster
from secnet_testing.kubernetes.kubectl import KubectlError
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import container, nad, pod, pool


@pytest.fixture
def vlans(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with two VLANs that share a subnet."""
    name = namespace.name
    namespace.apply(
        pool(f"{name}-100", "10.10.0.10", "10.10.0.99", "10.10.0.1", 24, vlan=100),
        pool(f"{name}-100v6", "fd00:10::10", "fd00:10::99", "fd00:10::1", 64, vlan=100),
        pool(f"{name}-200", "10.10.0.100", "10.10.0.199", "10.10.0.1", 24),
        nad("vlan100", 100, f"{name}-100", f"{name}-100v6"),
        nad("vlan200", 200, f"{name}-200"),
    )
    return namespace


def test_pods_of_one_vlan_reach_each_other_across_nodes(cluster: Cluster, vlans: OwnNamespace) -> None:
    first, second = cluster.node_names[:2]
    shows = container("ip address; echo START; trap 'exit 0' TERM; sleep 100000 & wait")
    vlans.apply(
        pod("a", "vlan100", node=first, containers=[shows]),
        pod("b", "vlan100", node=second),
        pod("c", f"{vlans.name}/vlan200@eth200", node=second),
    )
    vlans.wait_ready()
    b, c = (network_status(vlans.get("pod", name))[0] for name in ("b", "c"))
    assert "eth1" in vlans.kubectl("logs", "a").split("START")[0], "the interface comes before the container starts"
    for address in b["ips"]:
        vlans.inside("a", "ping", "-c", "2", "-W", "2", address)
    assert c["interface"] == "eth200"
    with pytest.raises(KubectlError, match="100% packet loss"):
        vlans.inside("a", "ping", "-c", "2", "-W", "1", "-I", "eth1", c["ips"][0])
    with pytest.raises(KubectlError, match="in use"):
        cluster.kubectl("delete", "ippool", f"{vlans.name}-100")
