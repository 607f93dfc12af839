"""What breaks in a cluster, and that nothing is lost by it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from secnet_conformance.netns import run_in
from secnet_testing.kubernetes import secnet
from secnet_testing.kubernetes.balance import assert_balanced, network_status
from secnet_testing.kubernetes.cluster import LocalCluster
from secnet_testing.kubernetes.control_plane import NODES
from secnet_testing.kubernetes.kubectl import KubectlError
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.node import UPLINK, ClusterNode
from secnet_testing.kubernetes.pods import nad, pod, pool, workload

OUTAGE_SECONDS = 60
"""So long that watches have ended, and that everything that tries again waits for its longest time between two tries."""


@pytest.fixture
def pair(local_cluster: LocalCluster, namespace: OwnNamespace) -> OwnNamespace:
    """A namespace with the Pods `a` on n1 and `b` on n2, in one VLAN."""
    namespace.apply(
        pool(namespace.name, "10.50.0.10", "10.50.0.200", "10.50.0.1", 24), nad("green", 150, namespace.name)
    )
    namespace.apply(pod("a", "green", node="n1"), pod("b", "green", node="n2"))
    namespace.wait_ready("a", "b")
    return namespace


def hardware(cluster: LocalCluster, node: ClusterNode) -> list[str]:
    """The MAC addresses by which a node and the API server find each other."""
    inner = node.run("ip", "-br", "link", "show", "dev", "eth0")
    outer = run_in(cluster.plane.namespace, ["ip", "-br", "link", "show", "dev", NODES])
    return [text.split()[2] for text in (inner, outer)]


def address(namespace: OwnNamespace, name: str) -> str:
    found: str = network_status(namespace.get("pod", name))[0]["ips"][0]
    return found


def reach(namespace: OwnNamespace) -> None:
    namespace.inside("a", "ping", "-c", "2", "-W", "2", "-I", "eth1", address(namespace, "b"))


def secnet_says(cluster: LocalCluster, node: str, *words: str) -> str:
    """What a command of secnet prints in the agent's container, whatever its exit status."""
    name = secnet.agent_pod(cluster, node)["metadata"]["name"]
    try:
        return cluster.kubectl("-n", secnet.NAMESPACE, "exec", name, "--", "secnet", *words)
    except KubectlError as exc:
        return str(exc).partition(": ")[2]


def node_events(cluster: LocalCluster, node: str) -> str:
    """The reasons of a Node's Events."""
    chosen = f"involvedObject.kind=Node,involvedObject.name={node}"
    return cluster.kubectl("get", "events", "-A", f"--field-selector={chosen}", "-o", "jsonpath={.items[*].reason}")


@contextmanager
def pinging(cluster: LocalCluster, namespace: OwnNamespace) -> Iterator[None]:
    """Ping from `a` to `b` five times a second meanwhile. AssertionError if one was lost."""
    script = f"ping -i 0.2 -I eth1 {address(namespace, 'b')} & read end; kill -INT $!; wait"
    argv = [str(cluster.kubectl.program), "-n", namespace.name, "exec", "-i", "a", "--", "sh", "-c", script]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield
        output, _ = process.communicate("end\n", timeout=30)
    assert " 0% packet loss" in output, output[-300:]


def test_a_new_image_costs_no_packet(local_cluster: LocalCluster, pair: OwnNamespace, tmp_path: Path) -> None:
    before = {name: secnet.agent_pod(local_cluster, name)["metadata"]["uid"] for name in local_cluster.nodes}
    with pinging(local_cluster, pair):
        local_cluster.retag(secnet.IMAGE, "secnet:0.1.1")
        secnet.deploy(local_cluster, secnet.kustomization(tmp_path / "next", "sync", tag="0.1.1"))
    after = {name: secnet.agent_pod(local_cluster, name) for name in local_cluster.nodes}
    assert {name: found["metadata"]["uid"] for name, found in after.items()} != before
    assert {found["spec"]["containers"][0]["image"] for found in after.values()} == {"secnet:0.1.1"}
    assert_balanced(local_cluster)


def test_killed_daemons_of_open_vswitch_come_back_with_all_ports(
    local_cluster: LocalCluster, pair: OwnNamespace
) -> None:
    node = local_cluster.nodes["n1"]
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        node.restart(daemon)
        local_cluster.wait(lambda: reach(pair) is None, f"a reaches b after {daemon} was killed")
    pair.apply(pod("c", "green", node="n1"))
    pair.wait_ready("c")
    assert_balanced(local_cluster)


def test_a_power_cut_gives_each_pod_its_network_again(local_cluster: LocalCluster, pair: OwnNamespace) -> None:
    node = local_cluster.nodes["n2"]
    pair.apply(workload("Deployment", "d", "green", replicas=4))
    pair.kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    pair.apply(pod("asks", '[{"name": "green", "ips": ["10.50.0.77"]}]', node="n2"))
    pair.wait_ready("asks")
    before = hardware(local_cluster, node)
    node.crash()
    node.start()
    assert hardware(local_cluster, node) == before  # or the nodes would have to find each other again
    local_cluster.wait(lambda: node.sandboxes().get(f"{pair.name}/b"), "b has a sandbox again", 120)
    pair.wait_ready("b", "asks", seconds=120)
    pair.kubectl("rollout", "status", "deployment/d", "--timeout=120s")
    local_cluster.wait(lambda: reach(pair) is None, "a reaches b")
    assert_balanced(local_cluster)
    assert address(pair, "asks") == "10.50.0.77"


def test_an_outage_of_the_api_with_an_agent_killed_meanwhile(local_cluster: LocalCluster, pair: OwnNamespace) -> None:
    node = local_cluster.nodes["n1"]
    ends = time.monotonic() + OUTAGE_SECONDS
    local_cluster.plane.stop_api()
    try:
        node.restart("secnet")
        # The Pods' traffic goes on without API and without agent; kubectl exec would need the API.
        sandbox = node.sandboxes()[f"{pair.name}/a"]
        held = node.run("ip", "-n", Path(sandbox.netns).name, "-o", "address", "show", "dev", "eth1")
        assert "10.50.0." in held
        time.sleep(max(0.0, ends - time.monotonic()))
    finally:
        local_cluster.plane.start_api()
    pair.apply(pod("c", "green", node="n1"))
    pair.wait_ready("c", seconds=90)
    reach(pair)
    assert_balanced(local_cluster)


def test_an_uplink_without_carrier_is_seen_at_the_node_and_at_each_pod(
    local_cluster: LocalCluster, pair: OwnNamespace
) -> None:
    outer = f"n1-{UPLINK}"

    def condition() -> str:
        conditions = pair.get("pod", "a")["status"]["conditions"]
        (found,) = (each for each in conditions if each["type"] == "secnet.io/SecondaryNetworksReady")
        return f"{found['status']} {found['reason']} {found.get('message', '')}"

    run_in(local_cluster.plane.namespace, ["ip", "link", "set", outer, "down"])
    try:
        local_cluster.wait(lambda: condition().startswith("False Degraded "), "the condition says so", 30)
        assert f"cut off: uplink {UPLINK} is down: it has no carrier" in condition()
        status = secnet_says(local_cluster, "n1", "status")
        assert "last resync " in status.splitlines()[0]
        assert f"uplink {UPLINK}: Down: it has no carrier" in status
        local_cluster.wait(lambda: "UplinkDown" in node_events(local_cluster, "n1"), "an Event of the Node says so")
        assert local_cluster.ready("n1")
        assert secnet.agent_pod(local_cluster, "n1")["status"]["containerStatuses"][0]["ready"]
    finally:
        run_in(local_cluster.plane.namespace, ["ip", "link", "set", outer, "up"])
    local_cluster.wait(lambda: condition().startswith("True Attached"), "the condition is True again", 30)
    local_cluster.wait(lambda: "UplinkUp" in node_events(local_cluster, "n1"), "an Event of the Node says so too")
    reach(pair)
