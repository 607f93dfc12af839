"""The component sync on a whole cluster: no Pod that is created where the agent is Ready starts without its interface."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from secnet.agent.preflight.startup_taint import STARTUP_TAINT
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.node import ClusterNode
from secnet_testing.kubernetes.pods import container, nad, pod, pool
from secnet_testing.kubernetes.secnet import NAMESPACE

CONFLIST = "/etc/cni/net.d/10-bridge.conflist"
CONDITION = "secnet.io/SecondaryNetworksReady"
LATE = "StartedWithoutNetworks"
SHOWS = container("ip address; echo START; trap 'exit 0' TERM; sleep 100000 & wait")


@pytest.fixture
def blue(namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with the network `blue`."""
    name = f"{namespace.name}-blue"
    namespace.apply(pool(name, "10.30.0.10", "10.30.0.99", "10.30.0.1", 24), nad("blue", 300, name))
    return namespace


def owner_writes(node: ClusterNode) -> None:
    """The primary network's owner writes its file again, by rename, as its agents do when they start."""
    content = json.loads(node.read(CONFLIST))
    content["plugins"] = [each for each in content["plugins"] if each["type"] != "secnet-cni"]
    new = f"{CONFLIST}.owner"
    node.run("sh", "-c", f"printf %s {shlex.quote(json.dumps(content))} > {new} && mv {new} {CONFLIST}")


def is_chained(node: ClusterNode) -> bool:
    return "secnet-cni" in node.read(CONFLIST)


def agent(cluster: LocalCluster, node: str) -> Object | None:
    """The agent's Pod on a node; None while there is none that is not about to end."""
    found = cluster.kubectl(
        *("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=agent", "-o", "json"),
        f"--field-selector=spec.nodeName={node}",
    )
    pods: list[Object] = [each for each in json.loads(found)["items"] if "deletionTimestamp" not in each["metadata"]]
    return pods[0] if pods else None


def starts(cluster: LocalCluster, node: str, *, ready: bool = True) -> int:
    """How often the agent's container was started again; -1 while it is not ready, unless that does not matter."""
    found = agent(cluster, node)
    containers = (found or {}).get("status", {}).get("containerStatuses") or [{"restartCount": 0, "ready": False}]
    return int(containers[0]["restartCount"]) if containers[0]["ready"] or not ready else -1


def condition(namespace: OwnNamespace, name: str) -> dict[str, Any]:
    conditions = namespace.get("pod", name)["status"].get("conditions", [])
    return next((each for each in conditions if each["type"] == CONDITION), {})


def assert_in_time(namespace: OwnNamespace, name: str) -> None:
    """Its container saw the interface when it started."""
    assert "eth1" in namespace.kubectl("logs", name).split("START")[0]
    assert condition(namespace, name)["reason"] == "Attached"


def test_where_the_agent_is_ready_the_plugin_is_chained(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    """Its container is killed and the entry goes with it: both come back, and in this order."""
    node = local_cluster.nodes["n1"]
    before = starts(local_cluster, node.name, ready=False)
    node.kill("secnet")
    owner_writes(node)
    local_cluster.wait(lambda: starts(local_cluster, node.name) > before, "the agent is ready again", 60)
    assert is_chained(node)
    blue.apply(pod("a", "blue", node=node.name, containers=[SHOWS]))
    blue.wait_ready()
    assert_in_time(blue, "a")


def test_an_owner_that_writes_its_file_again_is_chained_again(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    for _ in range(3):
        owner_writes(node)
        local_cluster.wait(lambda: is_chained(node), "chained again", 5)
    blue.apply(pod("a", "blue", node=node.name, containers=[SHOWS]))
    blue.wait_ready()
    assert_in_time(blue, "a")
    assert "did not have the CNI plugin any more, and has it again" in node.agent_log()


def test_a_pod_that_started_bare_is_found_and_reported(local_cluster: LocalCluster, blue: OwnNamespace) -> None:
    """The agent is stopped, so that the entry stays out for as long as the test wants."""
    node = local_cluster.nodes["n1"]
    pids = [str(pid) for pid in node.pids("secnet")]
    node.run("kill", "-STOP", *pids)
    try:
        owner_writes(node)
        blue.apply(pod("bare", "blue", node=node.name, containers=[SHOWS]))
        blue.wait_ready()
        assert "eth1" not in blue.kubectl("logs", "bare").split("START")[0]
    finally:
        node.run("kill", "-CONT", *pids)
    local_cluster.wait(lambda: condition(blue, "bare").get("reason") == LATE, "the condition says so", 30)
    assert condition(blue, "bare")["status"] == "True"
    local_cluster.wait(
        lambda: LATE in blue.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}"), "an Event says so", 30
    )


def test_on_a_node_that_joins_no_pod_starts_before_the_plugin_is_chained(
    local_cluster: LocalCluster, blue: OwnNamespace
) -> None:
    node = local_cluster.nodes["n2"]
    configuration = node.folder / "etc/kubelet.json"
    before = configuration.read_text()
    taint = {"key": STARTUP_TAINT, "effect": "NoSchedule"}
    owner_writes(node)
    node.crash()
    local_cluster.kubectl("delete", "node", node.name)
    configuration.write_text(json.dumps(json.loads(before) | {"registerWithTaints": [taint]}))
    blue.apply(pod("a", "blue", node=node.name, containers=[SHOWS]))
    try:
        node.start()
        blue.wait_ready(seconds=120)
    finally:
        configuration.write_text(before)
    assert_in_time(blue, "a")
    joined = local_cluster.get("node", node.name)
    assert joined is not None
    assert STARTUP_TAINT not in [each["key"] for each in joined["spec"].get("taints") or []]
    assert f"the taint {STARTUP_TAINT} of Node {node.name} is removed" in node.agent_log()
