"""Networks and annotations that change while Pods live."""

from __future__ import annotations

import re

from secnet_testing.kubernetes.balance import NETWORKS, network_status
from secnet_testing.kubernetes.cluster import Cluster
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool
from secnet_testing.kubernetes.secnet import agent_command


def interfaces(namespace: OwnNamespace, name: str) -> list[str]:
    return [each["interface"] for each in network_status(namespace.get("pod", name))]


def test_an_annotation_that_changes_is_followed(cluster: Cluster, namespace: OwnNamespace) -> None:
    namespace.apply(
        pool(namespace.name, "10.40.0.10", "10.40.0.99", "10.40.0.1", 24),
        nad("one", 140, namespace.name),
        nad("two", 141, namespace.name),
        pod("p", "one"),
    )
    namespace.wait_ready("p")
    kept = network_status(namespace.get("pod", "p"))[0]
    namespace.kubectl("annotate", "--overwrite", "pod", "p", f"{NETWORKS}=one,two@eth7")
    cluster.wait(lambda: interfaces(namespace, "p") == ["eth1", "eth7"], "the second interface is there")
    assert network_status(namespace.get("pod", "p"))[0] == kept
    namespace.kubectl("annotate", "--overwrite", "pod", "p", f"{NETWORKS}=two@eth7")
    cluster.wait(lambda: interfaces(namespace, "p") == ["eth7"], "the first interface is gone")
    links = namespace.inside("p", "ip", "-o", "link")
    assert "eth7" in links
    assert "eth1" not in links


def test_a_network_that_changes_stays_as_it_was_for_living_pods(cluster: Cluster, namespace: OwnNamespace) -> None:
    namespace.apply(pool(namespace.name, "10.41.0.10", "10.41.0.99", "10.41.0.1", 24), nad("one", 142, namespace.name))
    namespace.apply(pod("old", "one"))
    namespace.wait_ready("old")
    before = network_status(namespace.get("pod", "old"))
    namespace.apply(nad("one", 143, namespace.name), pod("new", "one"))
    namespace.wait_ready("new")
    assert network_status(namespace.get("pod", "old")) == before
    status = agent_command(cluster, namespace.get("pod", "old")["spec"]["nodeName"], "status")
    assert re.search(rf"{namespace.name}/old .*Outdated", status), status
