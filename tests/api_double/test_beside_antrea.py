"""Beside an Antrea agent that makes secondary networks itself: nothing new is attached, and what is there stays."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from secnet_testing.antrea import antrea_agent
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.documents import ROOT

pytestmark = pytest.mark.runtime

PORT = 9465
REASON = "would free our addresses"
SUBJECT = "DaemonSet kube-system/antrea-agent"
BRISK = {"http": {"listen": f"127.0.0.1:{PORT}"}, "workers": {"count": 4, "attachTimeout": 20, "checkInterval": 1}}


def made(factory: ClusterNodeFactory, **options: Any) -> ClusterNode:
    node = factory(**BRISK, **options)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    return node


def turn(node: ClusterNode, *, on: bool) -> None:
    """The feature of an Antrea agent that is there already."""
    config, _ = antrea_agent(secondary_network=on)
    node.api.patch(config, {"data": config["data"]})


def ready(node: ClusterNode) -> tuple[int, str]:
    return node.readyz(PORT)


def problems(node: ClusterNode) -> list[tuple[str, bool]]:
    """What `secnet status` says of it, and whether as a note."""
    found = node.node.status()["problems"]
    return [(each["message"], each.get("note", False)) for each in found if each["source"] == SUBJECT]


def test_it_waits_while_the_feature_is_on_and_goes_on_by_itself(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory)
    agent = node.node.agent()
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    node.wait(lambda: ready(node)[0] == 200, "ready")
    for obj in antrea_agent(secondary_network=True):
        node.api.create(obj)
    node.wait(lambda: ready(node)[0] == 503 and REASON in ready(node)[1], "not ready")
    node.wait(lambda: any(REASON in text and not note for text, note in problems(node)), "shown as a problem")
    node.api.create(pod("b", "blue"))
    node.wait(lambda: node.condition("b").get("status") == "False", "the condition of the new Pod")
    assert node.condition("b")["reason"] == "NotReady"
    assert REASON in node.condition("b")["message"]
    assert [record.pod.name for record in node.node.records() if record.pod] == ["a"]
    assert node.used("blue") == 1
    assert node.is_attached("a")
    said = [line for line in agent.text.splitlines() if SUBJECT in line and "nothing new is attached" in line]
    assert len(said) == 1, "said once, not at each look"

    turn(node, on=False)
    node.wait_attached("b")
    node.wait(lambda: ready(node)[0] == 200, "ready again")
    node.wait(lambda: problems(node) == [], "no problem is left")
    assert node.pings("a", node.address("b"))
    assert agent.running


def test_a_sandbox_is_answered_try_again_later(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory, sync=True)
    for obj in antrea_agent(secondary_network=True):
        node.api.create(obj)
    node.node.agent()
    node.wait_chained()
    node.api.create(pod("a", "blue"))
    node.api.create(pod("plain", None))
    node.wait(lambda: REASON in node.kubelet.failure("default", "a"), "the sandbox fails with the reason")
    node.wait(lambda: node.is_running("plain"), "a Pod without networks starts")
    assert not node.is_running("a")
    node.wait(lambda: REASON in node.condition("a").get("message", ""), "the condition says it too")
    assert node.node.records() == ()
    assert node.used("blue") == 0
    turn(node, on=False)
    node.wait_attached("a")


def test_an_agent_that_may_not_look_says_so_and_works(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory)
    rules = yaml.safe_load((ROOT / "deploy/base/clusterrole.yaml").read_text(encoding="utf-8"))["rules"]
    node.api.add_token("agent-token", [rule for rule in rules if rule["resources"] != ["daemonsets"]])
    for obj in antrea_agent(secondary_network=True):
        node.api.create(obj)
    agent = node.node.agent()
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    looked = '"path": "/apis/apps/v1/namespaces/kube-system/daemonsets/antrea-agent"'
    node.wait(lambda: str(node.api.requests("agent-token")).count(looked.replace('"', "'")) > 2, "it looks again")
    ((message, note),) = problems(node)
    assert (note, message.startswith("cannot be read: ")) == (True, True)
    assert node.node.cli("status").returncode == 0
    assert ready(node)[0] == 200
    assert agent.text.count("cannot be read: ") == 1


def test_an_outage_of_the_api_makes_the_agent_unready_until_it_ends(cluster_node_factory: ClusterNodeFactory) -> None:
    node = made(cluster_node_factory)
    node.node.agent()
    node.wait(lambda: ready(node) == (200, "ok\n"), "ready")
    node.api.outage(True)
    node.wait(lambda: ready(node)[0] == 503, "not ready")
    assert f"API server {node.api.url}: cannot be reached since " in ready(node)[1]
    node.api.outage(False)
    node.wait(lambda: ready(node)[0] == 200, "ready again")
