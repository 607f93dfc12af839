"""How many requests to the API server a Pod costs, from its creation until it is gone: the numbers of docs/operations.md."""

from __future__ import annotations

from collections import Counter

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

TOKEN = "agent-token"
OF_POOLS = Counter({"list ippools 200": 1, "update ippools/status 200": 2})
OF_STATUS = Counter({"patch pods/status 200": 1, "create events 201": 1})


def asked(node: ClusterNode) -> Counter[str]:
    """What the agent asked since the last time, but for its watches."""
    found = node.api.requests(TOKEN)
    node.api.forget_requests()
    return Counter(f"{each['verb']} {each['resource']} {each['status']}" for each in found if each["verb"] != "watch")


def has_asked(node: ClusterNode, resource: str) -> bool:
    return any(each["resource"] == resource for each in node.api.requests(TOKEN))


def beyond(found: Counter[str], expected: Counter[str]) -> Counter[str]:
    """What was asked besides. All that is expected is there.

    A round of garbage collection, and the look for the startup taint, come when they come.
    """
    assert expected - found == Counter()
    more = found - expected
    at_any_time = ("list ippools 200", "list pods 200", "get nodes 200")
    return Counter({words: more[words] for words in more if words not in at_any_time})


@pytest.mark.parametrize("sync", [True, False], ids=["chained", "beside"])
def test_the_requests_of_a_pod_with_a_dual_stack_network(cluster_node_factory: ClusterNodeFactory, sync: bool) -> None:
    """Five. The runtime may call before the watch has brought the Pod, and the kubelet may write to the Pod in between."""
    node = cluster_node_factory(sync=sync, workers={"count": 2, "checkInterval": 3600})
    node.api.create(nad("blue", ipam={"type": "antrea", "ippools": ["blue", "green"]}))
    node.api.create(pool("blue"))
    node.api.create(pool("green", start="fd00::10", end="fd00::20", gateway="fd00::1"))
    node.node.agent()
    if sync:
        node.wait_chained()
    node.wait(lambda: has_asked(node, "ippools"), "the look at all pools at the start")
    asked(node)
    node.api.create(pod("plain", None))
    node.wait(lambda: node.is_running("plain"), "the Pod without networks runs")
    node.delete("plain")
    node.wait_gone("plain")
    assert beyond(asked(node), Counter()) - Counter({"get pods 200": 1}) == Counter()
    node.api.create(pod("a", "blue"))
    node.wait(lambda: node.is_attached("a") and node.is_running("a"), "it runs")
    node.wait(lambda: has_asked(node, "events"), "the Event is written")
    found = asked(node)
    outrun = found["patch pods/status 409"]
    late = Counter({"get pods 200": 1 + outrun, "patch pods/status 409": outrun})
    assert beyond(found, OF_POOLS + OF_STATUS) - late == Counter()
    node.delete("a")
    node.wait_gone("a")
    node.wait(lambda: node.used("blue") == node.used("green") == 0 and not node.node.records(), "all is given back")
    node.api.create(pod("b", "blue"))  # what is asked about one that is gone would come before
    node.wait_attached("b")
    node.wait(lambda: has_asked(node, "events"), "the Event is written")
    found = asked(node)
    outrun = found["patch pods/status 409"]
    late = Counter({"get pods 200": 1 + outrun, "patch pods/status 409": outrun})
    assert beyond(found, OF_POOLS + OF_POOLS + OF_STATUS) - late == Counter(), "of the deleted Pod only its addresses"
