"""How many requests to a real API server a Pod costs, by its audit log."""

from __future__ import annotations

from collections import Counter

import pytest
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import nad, pod, pool, workload

CONDITION = "secnet.io/SecondaryNetworksReady"
PODS = ("a", "b", "c")
MOST = 6
"""Of one attach of a dual-stack network."""


def of_namespace(cluster: LocalCluster, namespace: str) -> list[Object]:
    """The requests of agents for objects of a namespace, and for its pools, which begin with its name."""
    return [
        each
        for each in cluster.audit()
        if each["verb"] != "watch"
        and namespace in (each["objectRef"].get("namespace"), each["objectRef"].get("name", "")[: len(namespace)])
    ]


def in_words(asked: list[Object]) -> Counter[str]:
    return Counter(
        f"{each['verb']} {each['objectRef']['resource']}{'/' * bool(sub := each['objectRef'].get('subresource', ''))}{sub} "
        f"{each['responseStatus']['code']}"
        for each in asked
    )


@pytest.fixture
def dual(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with a dual-stack network."""
    name = namespace.name
    namespace.apply(
        pool(f"{name}-v4", "10.70.0.10", "10.70.0.99", "10.70.0.1", 24, vlan=170),
        pool(f"{name}-v6", "fd00:70::10", "fd00:70::99", "fd00:70::1", 64, vlan=170),
        nad("dual", 170, f"{name}-v4", f"{name}-v6"),
    )
    return namespace


def test_the_requests_of_a_pod_until_it_is_gone(local_cluster: LocalCluster, dual: OwnNamespace) -> None:
    def has_events() -> bool:
        return in_words(of_namespace(local_cluster, dual.name))["create events 201"] == len(PODS)

    for name in PODS:  # agents of two nodes that write one pool at once ask for it twice more
        dual.apply(pod(name, "dual"))
        dual.wait_ready(name)
    local_cluster.wait(has_events, "the Events are written")
    attach = in_words(of_namespace(local_cluster, dual.name))
    lists = len(PODS)  # of all pools, one for each attach: not counted above, as a list names no object
    assert sum(attach.values()) + lists <= MOST * len(PODS), attach
    dual.kubectl("delete", "pods", "--all", "--wait")
    local_cluster.wait(
        lambda: in_words(of_namespace(local_cluster, dual.name))["update ippools/status 200"] == 2 * 2 * len(PODS),
        "the addresses are given back",
    )
    delete = in_words(of_namespace(local_cluster, dual.name)) - attach
    assert [words for words in delete if "pods" in words] == [], "nothing is asked about a Pod that is gone"
    assert not [words for words in delete if words.endswith(("403", "404"))]


def test_the_condition_of_a_pod_that_has_completed(local_cluster: LocalCluster, dual: OwnNamespace) -> None:
    dual.apply(workload("Job", "once", "dual", script="exit 0"))
    dual.kubectl("wait", "--for=condition=complete", "job/once", "--timeout=60s")

    def condition() -> tuple[str, str]:
        (done,) = local_cluster.list("pods", dual.name)
        found = {each["type"]: each for each in done["status"]["conditions"]}.get(CONDITION, {})
        return found.get("status", ""), found.get("reason", "")

    local_cluster.wait(lambda: condition() == ("False", "PodCompleted"), "the condition says that the Pod has ended")
