"""Pods whose containers wait for their networks: the plugin in the runtime's chain, on a real containerd."""

from __future__ import annotations

import json
import subprocess

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime


def started(factory: ClusterNodeFactory, **settings: object) -> ClusterNode:
    """A node with a running agent whose plugin is in the chain, and the network and pool `blue`."""
    node = factory(sync=True, **settings)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    node.wait_chained()
    return node


def test_a_container_finds_its_networks_when_it_starts(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    seen = "ip -o -4 address show dev eth1 > /seen; sleep 3600"
    spec = {"containers": [{"name": "main", "image": "registry.test/busybox:1", "command": ["sh", "-c", seen]}]}
    for name in ("a", "b"):
        node.api.create(pod(name, "blue", **spec))
    node.wait_attached("a", "b")
    address = node.address("b")
    node.wait(lambda: address in node.exec("b", "cat", "/seen").stdout, "the container saw its address at its start")
    assert node.pings("a", address)
    for name in ("a", "b"):
        node.delete(name)
    node.wait_gone("a", "b")
    assert node.used("blue") == 0
    assert node.ports() == []


def test_a_network_that_fails_fails_the_sandbox_and_leaves_nothing(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.forget_requests()
    node.api.create(pod("a", "blue,missing"))
    node.wait(lambda: "missing" in node.kubelet.failure("default", "a"), "the sandbox fails with the reason")
    writes = [each for each in node.api.requests() if each["method"] == "PUT" and "ippools" in each["path"]]
    assert writes == [], "an address was taken although a network was known to fail"
    assert node.node.records() == ()
    assert not node.is_running("a")
    assert "no such NetworkAttachmentDefinition" in node.condition("a")["message"]
    reasons = [event["reason"] for event in node.api.items("/api/v1/events")]
    assert "ObjectNotFound" in reasons

    node.api.create(nad("missing", ipam=None, vlan=200))
    node.wait_attached("a")


def test_a_failure_halfway_takes_back_what_was_made(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(nad("full", vlan=200))
    node.api.create(pool("full", start="10.20.0.10", end="10.20.0.10", gateway="10.20.0.1"))
    node.api.create(pod("a", "full"))
    node.wait_attached("a")
    node.api.create(pod("b", "blue,full"))
    node.wait(lambda: "full" in node.kubelet.failure("default", "b"), "the second Pod finds no address")
    assert not node.is_running("b")
    node.delete("a")
    node.wait_gone("a")
    node.wait_attached("b")
    assert node.used("blue") == 1


def test_a_runtime_that_hands_no_annotations(cluster_node_factory: ClusterNodeFactory) -> None:
    """As one that does with an entry of an earlier version: without an agent every Pod waits, except where it must not."""
    node = started(cluster_node_factory)
    node.node.agents[-1].kill()
    (file,) = node.runtime.cni_conf.glob("*.conflist")
    chained = json.loads(file.read_text())
    earlier = json.loads(file.read_text())
    del earlier["plugins"][-1]["capabilities"]
    file.write_text(json.dumps(earlier))
    node.runtime.restart()
    system = pod("proxy", None)
    system["metadata"]["namespace"] = "kube-system"
    node.api.create(system)
    for name, networks in (("a", "blue"), ("b", None)):
        node.api.create(pod(name, networks))
    node.wait(lambda: node.api.get(system).get("status", {}).get("phase") == "Running", "kube-system starts")
    for name in ("a", "b"):
        node.wait(lambda name=name: "agent" in node.kubelet.failure("default", name), f"Pod {name} waits")  # type: ignore[misc]
        assert not node.is_running(name)
    node.node.agent()
    node.wait_attached("a")
    node.wait(lambda: node.is_running("b"), "the other Pod starts")
    node.wait(lambda: json.loads(file.read_text()) == chained, "the entry is brought up to date")


def test_what_ends_while_the_agent_is_away_is_cleaned_up_when_it_is_back(
    cluster_node_factory: ClusterNodeFactory,
) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    node.node.agents[-1].kill()
    node.delete("a")
    node.wait(lambda: not node.kubelet.sandbox("default", "a"), "the sandbox ends without the agent")
    assert node.used("blue") == 1
    node.node.agent()
    node.wait_gone("a")
    node.wait(lambda: node.used("blue") == 0, "the address is free again")
    assert node.ports() == []


def test_a_list_that_lacks_a_living_sandbox_ends_nothing(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    before = node.node.records()
    plugin, conf = node.runtime.cni_bin / "secnet-cni", {"cniVersion": "1.1.0", "name": "x", "type": "secnet-cni"}
    done = subprocess.run(
        [plugin],
        env={"CNI_COMMAND": "GC", "CNI_PATH": str(plugin.parent)},
        input=json.dumps(conf | {"cni.dev/valid-attachments": []}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert node.node.records() == before


def test_a_dead_sandbox_is_made_again_with_its_networks(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    first = node.kubelet.sandbox("default", "a")
    node.runtime.kill_pause(first)
    node.wait(lambda: node.kubelet.sandbox("default", "a") not in ("", first), "the kubelet makes another sandbox")
    node.wait_attached("a")
    records = node.node.records()
    assert [record.key.container_id for record in records] == [node.kubelet.sandbox("default", "a")]
    assert node.used("blue") == 1


def test_the_plugin_is_taken_out_under_a_running_agent_and_stays_out(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    done = node.node.cli("cni-uninstall")
    assert (done.returncode, done.stderr) == (0, "")
    node.wait(lambda: "was taken out of the runtime's configuration" in node.node.agents[-1].text, "the agent saw it")
    assert [path.name for path in node.runtime.cni_conf.iterdir() if "secnet-cni" in path.read_text()] == []
    node.runtime.restart()
    node.node.agents[-1].kill()
    node.api.create(pod("b", "blue"))
    node.wait(lambda: node.is_running("b"), "a Pod starts without plugin and agent")
    assert node.used("blue") == 1
    node.node.agent()
    node.wait_chained()
    node.wait_attached("a", "b")
