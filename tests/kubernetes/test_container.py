"""What the agent's container is allowed, and what it offers to others, on real nodes."""

from __future__ import annotations

import pytest
from secnet_testing.kubernetes.cluster import Cluster, LocalCluster
from secnet_testing.kubernetes.secnet import NAMESPACE


def test_the_container_has_the_runtimes_filter_of_system_calls(cluster: Cluster) -> None:
    text = cluster.kubectl("-n", NAMESPACE, "exec", "ds/secnet-agent", "--", "grep", "Seccomp:", "/proc/1/status")
    assert text.split() == ["Seccomp:", "2"]


def test_metrics_are_for_the_node_itself(local_cluster: LocalCluster) -> None:
    first, second = local_cluster.nodes.values()
    program = "import socket, sys; socket.create_connection((sys.argv[1], 9465), 5).close()"
    first.run("python3", "-c", program, "127.0.0.1")
    for node in (first, second):
        with pytest.raises(AssertionError, match="ConnectionRefusedError"):
            node.run("python3", "-c", program, first.address)
