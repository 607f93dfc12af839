"""The picture that the crash tests compare: it must see every kind of change, name it, and see nothing where nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secnet_conformance.snapshot import diff
from secnet_testing import node_snapshot
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node

from .scene import POD, Scene, play_scene

pytestmark = pytest.mark.ovs


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The Pod is attached, and no agent runs that would put things right."""
    with play_scene(tmp_path_factory.mktemp("scene")) as scene:
        scene.attach()
        scene.node.agent()
        scene.wait_attached()
        scene.node.stop()
        yield scene


Change = Callable[[Node], object]


def _in_pod(command: str) -> Change:
    return lambda node: run_in(node.pod(POD), command.split())


def _in_node(command: str) -> Change:
    return lambda node: run_in(node.namespace, command.split())


def _vsctl(command: str) -> Change:
    """`{}` in the command stands for the port of net2."""
    return lambda node: node.ovs.vsctl(*command.format(_port(node)).split())


def _port(node: Node) -> str:
    return str(next(r for r in node.records() if r.key.ifname == "net2").attachment.names["host"])


def _edit_json(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _journal_file(node: Node) -> Path:
    return next((node.run_dir / "journal").glob("*.net2.json"))


def _report_file(node: Node) -> Path:
    return next((node.run_dir / "reports").glob("*.json"))


def _edit_pool_entry(node: Node) -> None:
    pool = node.store.get("IPPool", "four")
    pool["status"]["ipAddresses"][0]["ipAddress"] = "10.1.0.50"
    node.store.update_status(pool)


def _edit_pool_usage(node: Node) -> None:
    pool = node.store.get("IPPool", "four")
    pool["status"]["usage"]["used"] = 7
    node.store.update_status(pool)


def _edit_status(node: Node) -> None:
    entries = node.network_status(POD)
    next(entry for entry in entries if entry.get("interface") == "net2")["ips"] = ["10.2.0.99"]
    node.store.patch_annotations("Pod", POD, "default", {"k8s.v1.cni.cncf.io/network-status": json.dumps(entries)})


CHANGES: list[tuple[str, Change, str]] = [
    ("sysctl of the node", _in_node("sysctl -qw net.ipv4.conf.lo.arp_notify=1"), "~ namespaces > node > sysctls > "),
    ("link of the node", _in_node("ip link add extra type bridge"), "+ namespaces > node > links > extra: kind=bridge"),
    ("bridge down", _in_node(f"ip link set {BRIDGE} up"), f"+ namespaces > node > links > {BRIDGE} > flags: up"),
    ("sysctl of the Pod", _in_pod("sysctl -qw net.ipv4.conf.net2.arp_notify=0"), "~ namespaces > Pod web > sysctls > "),
    ("MTU", _in_pod("ip link set net2 mtu 1300"), "~ namespaces > Pod web > links > net2 > mtu: 1400 -> 1300"),
    (
        "address",
        _in_pod("ip address del 10.2.0.10/24 dev net2"),
        "- namespaces > Pod web > addresses > net2: cidr=10.2.0.10/24",
    ),
    ("route", _in_pod("ip route add 10.99.0.0/16 dev lo"), "+ namespaces > Pod web > routes: dst=10.99.0.0/16"),
    ("OVS tag", _vsctl("--no-wait set port {} tag=7"), "~ ovs > Port > "),
    (
        "OVS owner",
        _vsctl("--no-wait remove port {} external_ids secnet-owner"),
        "- ovs > Port > ",
    ),
    ("OVS port", _vsctl(f"add-port {BRIDGE} in0 -- set interface in0 type=internal"), "+ ovs > Port > in0: "),
    ("OVS bridge", _vsctl(f"set bridge {BRIDGE} mcast_snooping_enable=true"), f"~ ovs > Bridge > {BRIDGE} > mcast_"),
    ("pool entry", _edit_pool_entry, "- pools > four > ipAddresses: ipAddress=10.1.0.10"),
    ("pool usage", _edit_pool_usage, "~ pools > four > usage > used: 1 -> 7"),
    (
        "journal",
        lambda n: _edit_json(_journal_file(n), lambda c: c.update(phase="Detaching")),
        "~ journal > ",
    ),
    ("journal file", lambda n: _journal_file(n).unlink(), "- journal > "),
    ("forgotten file", lambda n: (n.run_dir / "journal/x.tmp").write_text(""), "+ files: journal/x.tmp"),
    (
        "report",
        lambda n: _edit_json(_report_file(n), lambda c: c.update(container_id="other")),
        "~ reports > default/web > container_id: ",
    ),
    (
        "old report",
        lambda n: _edit_json(_report_file(n), lambda c: c.update(generation=0)),
        "~ reports > default/web > generation: current -> old",
    ),
    ("lost report", lambda n: _report_file(n).unlink(), "- reports > default/web: "),
    ("node state", lambda n: (n.run_dir / "node/vlan.json").unlink(), "- node > vlan"),
    ("status", _edit_status, "- status > default/web > default/second net2 > ips: 10.2.0.10"),
]


@pytest.mark.parametrize(("change", "line"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_each_change_is_named(scene: Scene, change: Change, line: str) -> None:
    before = node_snapshot.take(scene.node)
    change(scene.node)
    lines = diff(before, node_snapshot.take(scene.node))
    assert [found for found in lines if found.startswith(line)], lines


def test_a_lost_namespace_is_seen(scene: Scene) -> None:
    scene.node.pod("other")
    before = node_snapshot.take(scene.node)
    scene.node.delete_pod_namespace("other")
    scene.node.pod("other")
    assert [line for line in diff(before, node_snapshot.take(scene.node)) if line.startswith("~ netns > other: ")]


def test_nothing_is_seen_where_nothing_changed(scene: Scene) -> None:
    before = node_snapshot.take(scene.node)
    assert diff(before, node_snapshot.take_settled(scene.node)) == []
