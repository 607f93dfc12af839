"""Pods whose networks come beside them: no plugin in the chain, the agent sees Pods by the API and sandboxes by the runtime."""

from __future__ import annotations

import json

import pytest
import yaml
from secnet_testing.cluster_node import CONDITION, ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime


def started(factory: ClusterNodeFactory, **settings: object) -> ClusterNode:
    """A node with a running agent, and the network and pool `blue`."""
    node = factory(**settings)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    return node


def events(node: ClusterNode, pod_name: str) -> list[str]:
    """The reasons of the Events about a Pod."""
    found = node.api.items("/api/v1/events")
    return [event["reason"] for event in found if event["involvedObject"]["name"] == pod_name]


def test_a_pod_from_its_creation_to_its_end(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    for name in ("a", "b"):
        node.api.create(pod(name, "blue"))
    node.wait_attached("a", "b")
    assert node.pings("a", node.address("b"))
    node.wait(lambda: events(node, "a") == ["NetworksAttached"], "an Event tells of it")
    others = [entry for entry in node.network_status("a") if entry["default"]]
    assert [entry["interface"] for entry in others] == ["eth0"]
    for name in ("a", "b"):
        node.delete(name)
    node.wait_gone("a", "b")
    assert node.used("blue") == 0
    assert node.ports() == []


def test_beside_multus_no_network_is_served_twice(cluster_node_factory: ClusterNodeFactory) -> None:
    """Its configuration lies in a folder of the test: the runtime would call a Multus that is not there."""
    node = cluster_node_factory()
    seen = node.node.folder / "net.d"
    seen.mkdir()
    (seen / "00-multus.conf").write_text(json.dumps({"cniVersion": "1.0.0", "name": "m", "type": "multus"}))
    content = yaml.safe_load(node.node.config.read_text())
    content["cri"]["cniConfDir"] = str(seen)
    node.node.config.write_text(yaml.safe_dump(content))
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    node.api.create(pod("a", "blue"))
    node.wait(lambda: node.condition("a").get("reason") == "Unsupported", "the Pod is told that Multus serves it")
    assert "Multus" in node.condition("a")["message"]
    assert node.used("blue") == 0


def test_a_restart_of_multus_gives_no_pod_a_second_set_of_networks(cluster_node_factory: ClusterNodeFactory) -> None:
    """The daemon takes its configuration away when it ends. A network that is missing tells when the agent looked at the Pod."""
    node = cluster_node_factory()
    seen = node.node.folder / "net.d"
    seen.mkdir()
    conf = seen / "00-multus.conf"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "m", "type": "multus-shim"}))
    content = yaml.safe_load(node.node.config.read_text())
    content["cri"]["cniConfDir"] = str(seen)
    node.node.config.write_text(yaml.safe_dump(content))
    node.api.create(nad("blue", type="secnet"))
    node.api.create(pool("blue"))
    agent = node.node.agent()
    node.wait(lambda: "Multus serves this node" in agent.text, "Multus was seen")
    node.api.create(pod("a", "blue,missing"))
    node.wait(lambda: node.condition("a").get("reason") == "ObjectNotFound", "the Pod is looked at")
    conf.unlink()
    node.wait(lambda: "multus: absent" in node.node.cli("status").stdout, "the agent sees that it is away")
    node.annotate("a", "blue,gone")
    node.wait(lambda: "default/gone" in node.condition("a").get("message", ""), "the Pod is looked at again")
    assert (node.node.records(), node.used("blue")) == ((), 0)

    agent.kill()
    node.node.agent()
    node.annotate("a", "blue,lost")
    node.wait(lambda: "default/lost" in node.condition("a").get("message", ""), "the next agent looked at it too")
    assert (node.node.records(), node.used("blue")) == ((), 0)

    node.node.stop()
    node.node.config.write_text(yaml.safe_dump(content | {"multus": "absent"}))
    node.node.agent()
    node.wait(lambda: node.used("blue") == 1, "the administrator says that it is gone for good")


def test_a_pod_that_waits_for_a_full_pool_comes_with_the_release(cluster_node_factory: ClusterNodeFactory) -> None:
    """The pool is watched while the Pod waits, and neither before nor after."""
    node = cluster_node_factory()
    node.api.create(nad("blue"))
    node.api.create(pool("blue", end="10.10.0.10"))
    node.node.agent()
    node.api.create(pod("first", "blue"))
    node.wait_attached("first")
    before = node.api.watches
    node.api.create(pod("second", "blue"))
    node.wait(lambda: node.condition("second").get("reason") == "Busy", "the pool is full")
    node.wait(lambda: node.api.watches == before + 1, "the pool is watched")
    node.delete("first")
    node.wait_attached("second")
    node.wait(lambda: node.api.watches == before, "the watch of the pool is closed")


def test_a_readiness_gate_opens_with_the_networks_and_at_once_without(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    gates = {"readinessGates": [{"conditionType": CONDITION}]}
    node.api.create(pod("plain", None, **gates))
    node.api.create(pod("a", "later", **gates))
    node.wait(lambda: node.condition("plain", "Ready").get("status") == "True", "no networks, no waiting")
    node.wait(lambda: node.condition("a").get("reason") == "ObjectNotFound", "the condition names what is missing")
    assert node.condition("a", "Ready")["status"] == "False"
    node.api.create(nad("later", ipam=None))
    node.wait(lambda: node.condition("a", "Ready").get("status") == "True", "the gate opens")


def test_an_edited_nad_leaves_living_attachments_alone(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    before = node.node.records()
    node.api.patch(nad("blue"), {"spec": nad("blue", vlan=300)["spec"]})
    node.wait(lambda: "Outdated" in node.node.cli("status").stdout, "the status says so")
    assert node.node.records() == before
    assert node.condition("a")["status"] == "True"
    node.api.create(pod("b", "blue"))
    node.wait_attached("b")
    assert {record.attachment.vlan for record in node.node.records()} == {100, 300}


def test_networks_come_and_go_with_the_annotation(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(nad("red", ipam=None, vlan=200))
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    first = node.node.records()
    node.annotate("a", "blue,red")
    node.wait(lambda: len(node.network_status("a")) == 3, "the second network is there")
    assert first[0] in node.node.records()
    node.annotate("a", json.dumps([{"name": "blue", "mac": "02:00:00:00:00:42"}]))
    node.wait(lambda: "02:00:00:00:00:42" in json.dumps(node.network_status("a")), "made again with the MAC")
    assert "red" not in json.dumps(node.network_status("a"))
    node.annotate("a", None)
    node.wait(lambda: node.network_status("a") == [] and node.node.records() == (), "all networks are gone")
    assert node.is_running("a")


def test_a_pods_author_can_name_neither_a_namespace_nor_a_device(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("victim", "blue"))
    node.wait_attached("victim")
    (record,) = node.node.records()
    for name, path in (("host", "/proc/1/ns/net"), ("other", record.attachment.request.netns.path)):
        thief = pod(name, "blue")
        thief["metadata"]["annotations"] |= {"secnet.io/netns": path, "secnet.io/devices": "0000:00:00.0"}
        node.api.create(thief)
        node.wait_attached(name)
    places = {r.pod.name: r.attachment.request.netns.path for r in node.node.records() if r.pod}
    assert len(set(places.values())) == 3, "each Pod has its own namespace"
    assert places["host"] != "/proc/1/ns/net"


def test_hostnetwork_and_foreign_namespaces_are_refused_with_the_reason(
    cluster_node_factory: ClusterNodeFactory,
) -> None:
    node = started(cluster_node_factory, kubernetes={"sharedNamespaces": ["shared"]})
    for name in ("shared", "private"):
        node.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    node.api.create(nad("ours", namespace="shared", ipam=None))
    node.api.create(nad("theirs", namespace="private", ipam=None))
    node.api.create(pod("host", "blue", hostNetwork=True))
    node.api.create(pod("a", "shared/ours"))
    node.api.create(pod("b", "private/theirs"))
    node.wait_attached("a")
    node.wait(lambda: "hostNetwork" in node.condition("host").get("message", ""), "hostNetwork is named")
    node.wait(lambda: "sharedNamespaces" in node.condition("b").get("message", ""), "the setting is named")


def test_a_same_name_pod_made_again_has_its_own_networks(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    uid = node.live("a")["metadata"]["uid"]
    node.api.delete(pod("a", None))  # at once, as a forced deletion does
    node.api.create(pod("a", "blue"))
    node.wait(lambda: node.live("a")["metadata"]["uid"] != uid, "another Pod has the name")
    node.wait_attached("a")
    node.wait(lambda: len(node.node.records()) == 1 and node.used("blue") == 1, "nothing of the first is left")
    (record,) = node.node.records()
    assert record.pod is not None
    assert record.pod.uid == node.live("a")["metadata"]["uid"]
