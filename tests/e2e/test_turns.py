"""One Pod that asks for much, and the others: how many networks of it they wait for, and what is too much."""

from __future__ import annotations

import re

import pytest
from secnet_testing.node import NodeFactory
from secnet_testing.node_inspection import errors_of
from secnet_testing.objects import nad, pod

pytestmark = pytest.mark.ovs

MANY = 100
SMALL = ("app", "db", "web")


@pytest.mark.parametrize("workers", [1, 2])
def test_pods_of_one_network_wait_for_two_of_a_pod_with_a_hundred(node_factory: NodeFactory, workers: int) -> None:
    """All are there when the agent starts, so each waits from the first attach on. The log has the order."""
    node = node_factory(workers={"count": workers})
    big = [f"big-{number}" for number in range(workers)]
    networks = {**dict.fromkeys(big, ",".join(["net"] * MANY)), **dict.fromkeys(SMALL, "net")}
    node.store.apply(nad("net", vlan=10))
    for name, text in networks.items():
        node.store.apply(pod(name, node.pod(name).path, text))
    agent = node.agent(ready=False)
    node.wait_attached(*SMALL, *big, within=120)
    order = re.findall(r" attached  pod=default/(\S+)", agent.text)
    assert len(order) == workers * MANY + len(SMALL)
    for name in SMALL:
        before = [each for each in order[: order.index(name)] if each in big]
        assert len(before) <= 2 * workers, "two of each"


def test_a_pod_that_asks_for_more_than_is_allowed_gets_nothing_and_says_so(node_factory: NodeFactory) -> None:
    node = node_factory(limits={"networksPerPod": 5})
    node.store.apply(nad("net", vlan=10))
    node.store.apply(pod("greedy", node.pod("greedy").path, ",".join(["net"] * 6)))
    node.store.apply(pod("web", node.pod("web").path, ",".join(["net"] * 5)))
    node.agent()
    node.wait_attached("web")
    node.wait_until(lambda: errors_of(node.status(), "greedy"), "the refusal")
    error = errors_of(node.status(), "greedy")[0]
    assert (error["reason"], error["retryable"]) == ("InvalidAnnotation", False)
    assert "asks for 6 networks, and at most 5" in error["message"]
    assert "limits.networksPerPod" in error["hint"]
    assert {record.pod.name for record in node.records() if record.pod} == {"web"}
