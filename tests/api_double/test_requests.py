"""How many requests to the API server a Pod costs, from its creation until it is gone."""

from __future__ import annotations

from collections import Counter

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

TOKEN = "agent-token"
OF_POOLS = {"list ippools 200": 1, "update ippools/status 200": 2}


def asked(node: ClusterNode) -> Counter[str]:
    """What the agent asked since the last time, but for its watches."""
    found = node.api.requests(TOKEN)
    node.api.forget_requests()
    return Counter(f"{each['verb']} {each['resource']} {each['status']}" for each in found if each["verb"] != "watch")


def has_asked(node: ClusterNode, resource: str, number: int) -> bool:
    return sum(each["resource"] == resource for each in node.api.requests(TOKEN)) >= number


@pytest.mark.parametrize("sync", [True, False], ids=["chained", "beside"])
def test_the_requests_of_a_pod_with_a_dual_stack_network(cluster_node_factory: ClusterNodeFactory, sync: bool) -> None:
    """Five; a sixth only where the runtime calls before the watch has brought the Pod."""
    node = cluster_node_factory(sync=sync)
    node.api.create(nad("blue", ipam={"type": "antrea", "ippools": ["blue", "green"]}))
    node.api.create(pool("blue"))
    node.api.create(pool("green", start="fd00::10", end="fd00::20", gateway="fd00::1"))
    node.node.agent()
    if sync:
        node.wait_chained()
    asked(node)
    node.api.create(pod("a", "blue"))
    node.wait(lambda: node.is_attached("a") and node.is_running("a"), "it runs")
    node.wait(lambda: has_asked(node, "events", 1), "the Event is written")
    attach = asked(node)
    assert attach.pop("get pods 200", 0) <= 1
    assert attach == OF_POOLS | {"patch pods/status 200": 1, "create events 201": 1}
    node.delete("a")
    node.wait_gone("a")
    node.wait(lambda: node.used("blue") == node.used("green") == 0 and not node.node.records(), "all is given back")
    node.api.create(pod("b", "blue"))  # what is asked about one that is gone would come before
    node.wait_attached("b")
    node.wait(lambda: has_asked(node, "events", 1), "the Event is written")
    delete = asked(node)
    delete.pop("get pods 200", 0)
    assert delete == attach + Counter(OF_POOLS), "of the deleted Pod only its addresses"
