"""The plugin's place in the runtime's configuration, as the agent's readiness and the Pods show it, on a real containerd."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni._directory_watch import DirectoryWatch
from secnet.agent.preflight.startup_taint import STARTUP_TAINT
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

PORT = 9465
LISTEN = {"http": {"listen": f"127.0.0.1:{PORT}"}}


@pytest.fixture
def node(cluster_node_factory: ClusterNodeFactory) -> ClusterNode:
    """A node on which no agent ran yet, and the network and pool `blue`."""
    node = cluster_node_factory(sync=True, **LISTEN)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    return node


def conflist(node: ClusterNode) -> Path:
    (file,) = node.runtime.cni_conf.glob("*.conflist")
    return file


def ready(node: ClusterNode) -> bool:
    return node.readyz(PORT)[0] == 200


def events(node: ClusterNode, name: str) -> dict[str, str]:
    """Message by reason."""
    found = node.api.items("/api/v1/events")
    return {each["reason"]: each["message"] for each in found if each["involvedObject"]["name"] == name}


def test_a_pod_created_when_the_agent_is_ready_never_starts_bare(node: ClusterNode) -> None:
    """Ready says that the runtime has read the entry: nothing else is waited for."""
    node.node.agent()
    node.wait(lambda: ready(node), "ready")
    assert node.is_chained
    seen = "ip -o -4 address show dev eth1 > /seen; sleep 3600"
    spec = {"containers": [{"name": "main", "image": "registry.test/busybox:1", "command": ["sh", "-c", seen]}]}
    node.api.create(pod("a", "blue", **spec))
    node.wait_attached("a")
    node.wait(lambda: node.address("a") in node.exec("a", "cat", "/seen").stdout, "seen at the container's start")
    assert node.condition("a")["reason"] == "Attached"


def test_a_directory_that_is_not_the_runtimes_keeps_the_agent_unready(
    cluster_node_factory: ClusterNodeFactory, tmp_path: Path
) -> None:
    node = cluster_node_factory(sync=True, **LISTEN)
    wrong = tmp_path / "empty"
    wrong.mkdir()
    text = node.node.config.read_text()
    node.node.config.write_text(text.replace(str(node.runtime.cni_conf), str(wrong)))
    agent = node.node.agent()
    node.wait(lambda: "correct cni.confDir" in node.readyz(PORT)[1], "not ready, with the remedy")
    status, reason = node.readyz(PORT)
    assert (status, str(wrong) in reason) == (503, True)
    node.wait(lambda: "correct cni.confDir" in agent.text, "said in the log")
    node.wait(lambda: str(wrong) in node.node.cli("status").stdout, "and by secnet status")
    (wrong / "10-net.conflist").write_text(conflist(node).read_text())
    node.wait(lambda: f"the runtime reads {node.runtime.cni_conf}" in node.readyz(PORT)[1], "another one is no better")
    conflist(node).write_text((wrong / "10-net.conflist").read_text())
    node.wait(lambda: ready(node), "ready by itself")


def test_a_pod_that_started_without_its_interface_is_reported(node: ClusterNode) -> None:
    node.api.create(pod("bare", "blue"))
    for name, networks in {"mistyped": "a/b/c", "plain": None, "away": None}.items():
        node.api.create(pod(name, networks))
    node.wait(lambda: all(map(node.is_running, ("bare", "mistyped", "plain", "away"))), "no plugin held them")
    node.node.agent()
    node.wait_attached("bare")
    condition = node.condition("bare")
    assert (condition["status"], condition["reason"]) == ("True", "StartedWithoutNetworks")
    node.wait(lambda: "StartedWithoutNetworks" in events(node, "bare"), "an Event says so")
    assert "delete the Pod" in events(node, "bare")["StartedWithoutNetworks"]
    assert "StartedWithoutNetworks" in node.node.cli("status").stdout
    node.annotate("mistyped", "blue")
    node.wait_attached("mistyped")
    assert node.condition("mistyped")["reason"] == "StartedWithoutNetworks", "it asked, and did not wait"
    node.annotate("plain", "blue")
    node.wait_attached("plain")
    assert node.condition("plain")["reason"] == "Attached", "it was annotated later, and waited for nothing"
    node.node.agents[-1].kill()
    node.annotate("away", "blue")
    node.node.agent()
    node.wait_attached("away")
    node.wait_reported("bare", "plain")
    assert node.condition("away")["reason"] == "Attached", "so was this, while no agent was there"
    assert node.condition("bare")["reason"] == "StartedWithoutNetworks", "the next agent knows it too"
    assert node.condition("plain")["reason"] == "Attached"


@contextmanager
def exclusive_owner(file: Path) -> Iterator[list[str]]:
    """Writes its file again as soon as it differs, as Cilium does by default. Yields what it found each time."""
    own, found, stop = file.read_text(), list[str](), threading.Event()
    watch = DirectoryWatch([file.parent])

    def guard() -> None:
        while not stop.is_set():
            if (text := file.read_text()) != own:
                found.append(text)
                temporary = file.with_name(".owner")
                temporary.write_text(own)
                temporary.rename(file)
            watch.wait(3600.0)

    thread = threading.Thread(target=guard, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        watch.wake()
        thread.join()
        watch.close()


def test_an_owner_that_keeps_its_file_to_itself_is_named_and_not_fought(node: ClusterNode) -> None:
    file = conflist(node)
    content: dict[str, Any] = json.loads(file.read_text())
    content["plugins"].append({"type": "cilium-cni"})  # the runtime is given no Pod here, so nothing calls it
    file.write_text(json.dumps(content))
    with exclusive_owner(file) as undone:
        agent = node.node.agent()
        node.wait(lambda: "cni.exclusive: false" in node.readyz(PORT)[1], "not ready, and the setting is named")
        assert node.readyz(PORT)[0] == 503
        assert len(undone) < 10
        node.wait(lambda: "takes the plugin out as soon as it is in" in agent.text, "said in the log")
        node.wait(
            lambda: "cni.exclusive: false" in events(node, node.name).get("PluginNotChained", ""), "and on the Node"
        )
        doctor = node.node.cli("doctor").stdout
        assert "does not have secnet-cni" in doctor
        assert "cni.exclusive: false" in doctor
    node.wait(lambda: ready(node), "ready once the owner leaves it in", within=90)
    assert node.is_chained


def test_the_startup_taint_goes_once_the_plugin_is_chained(
    cluster_node_factory: ClusterNodeFactory, tmp_path: Path
) -> None:
    node = cluster_node_factory(sync=True, **LISTEN)
    mine = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    node.api.patch(mine, {"spec": {"taints": [{"key": STARTUP_TAINT, "effect": "NoSchedule"}, cordon]}})
    file = conflist(node)
    hidden = file.rename(tmp_path / file.name)
    agent = node.node.agent()
    node.wait(lambda: "no CNI network" in node.readyz(PORT)[1], "not ready")
    assert len(node.api.get(mine)["spec"]["taints"]) == 2
    hidden.rename(file)
    node.wait(lambda: node.api.get(mine)["spec"]["taints"] == [cordon], "the taint is gone, and no other")
    assert node.is_chained
    node.wait(lambda: f"the taint {STARTUP_TAINT} of Node" in agent.text, "said in the log")
