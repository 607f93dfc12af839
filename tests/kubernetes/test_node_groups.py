"""A node group on a node whose Node has its label, and no longer when it has not."""

from __future__ import annotations

from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.secnet import BRIDGE, MARK, MARKED_BRIDGE, NAMESPACE


def _restart_agent(cluster: LocalCluster, node: str) -> None:
    """The labels are read at every start, and else once a minute, for which no test waits."""
    pods = f"--field-selector=spec.nodeName={node}"
    cluster.kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app.kubernetes.io/component=agent", pods, "--wait")


def _bridges(cluster: LocalCluster, node: str) -> set[str]:
    return set(cluster.nodes[node].run("ovs-vsctl", "list-br").split())


def test_a_label_of_the_node_decides_which_bridges_it_has(local_cluster: LocalCluster) -> None:
    assert MARKED_BRIDGE not in _bridges(local_cluster, "n2")
    local_cluster.kubectl("label", "node", "n2", f"{MARK}=yes")
    try:
        _restart_agent(local_cluster, "n2")
        local_cluster.wait(lambda: MARKED_BRIDGE in _bridges(local_cluster, "n2"), "the bridge of the group is made")
        assert BRIDGE in _bridges(local_cluster, "n2")
        assert MARKED_BRIDGE not in _bridges(local_cluster, "n1")
    finally:
        local_cluster.kubectl("label", "node", "n2", f"{MARK}-")
        _restart_agent(local_cluster, "n2")
    local_cluster.wait(lambda: MARKED_BRIDGE not in _bridges(local_cluster, "n2"), "it goes with the label")
    status = ("rollout", "status", "daemonset/secnet-agent", "--timeout=60s")
    local_cluster.kubectl("-n", NAMESPACE, *status)
