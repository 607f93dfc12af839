"""What somebody else changes is found by the periodic check, shown, and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secnet_testing.netns import ping, run_in
from secnet_testing.node import Node, play_node
from secnet_testing.node_inspection import addresses, clear, link, port_of
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node whose agent checks each second, with two Pods that talk."""
    workers = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    with play_node(tmp_path_factory.mktemp("node"), workers=workers) as node:
        node.put(
            "all.yaml",
            as_manifest(
                nad("net", vlan=10, pools=["net", "net6"]),
                pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24),
                pool("net6", "fd00:10::/112", gateway="fd00:10::1", prefix=64),
                *(pod(name, node.pod(name).path, "net") for name in ("web", "db")),
            ),
        )
        node.agent()
        node.wait_attached("web", "db")
        yield node
        clear(node, Path(tmp_path_factory.mktemp("clear")))


def _drift(node: Node) -> dict[str, tuple[Callable[[], object], str]]:
    """What somebody does to the Pod `web`, and a word of what the agent says about it."""
    ns, port = node.pod("web"), port_of(node, "web", "eth1")
    v4 = addresses(ns, "eth1")[0]
    return {
        "tag": (lambda: node.ovs.vsctl("set", "Port", port, "tag=99"), "tag"),
        "port": (lambda: node.ovs.vsctl("del-port", port), "port"),
        "address": (lambda: run_in(ns, ["ip", "address", "del", v4, "dev", "eth1"]), v4.split("/")[0]),
        "down": (lambda: run_in(ns, ["ip", "link", "set", "eth1", "down"]), "eth1"),
        "mtu": (lambda: run_in(ns, ["ip", "link", "set", "eth1", "mtu", "1300"]), "1300"),
        "link": (lambda: run_in(ns, ["ip", "link", "del", "eth1"]), "eth1"),
        "bridge": (lambda: node.ovs.vsctl("del-br", "br-secondary"), "br-secondary"),
    }


@pytest.mark.parametrize("kind", ["tag", "port", "address", "down", "mtu", "link", "bridge"])
def test_drift_is_reported_and_repaired(watched: Node, kind: str) -> None:
    pods = {name: watched.pod(name) for name in ("web", "db")}
    before = {name: _state(watched, name) for name in pods}
    seen = len(watched.agents[-1].text)
    change, word = _drift(watched)[kind]
    change()
    assert {name: _state(watched, name) for name in pods} != before, "nothing has changed"
    watched.wait_until(lambda: {name: _state(watched, name) for name in pods} == before, f"{kind} is mended")
    watched.wait_attached(*pods)
    assert all(ping(pods["db"], address.split("/")[0], within=5) for address in addresses(pods["web"], "eth1"))
    said = [line for line in watched.agents[-1].text[seen:].splitlines() if " WARNING " in line]
    assert any(word in line for line in said), said


def _state(node: Node, name: str) -> tuple[object, ...]:
    """What must be as before: MAC, MTU and addresses inside, bridge and VLAN outside."""
    inside = link(node.pod(name), "eth1")
    names = [r.attachment.names["host"] for r in node.records() if r.pod and r.pod.name == name]
    rows = node.ovs.rows()
    port = rows["Port"].get(names[0], {}) if names else {}
    bridges = [bridge for bridge, row in rows["Bridge"].items() if names and names[0] in row["ports"]]
    flags = [flag for flag in inside.get("flags", ()) if flag in ("UP", "LOWER_UP")]
    shown = (inside.get("address"), inside.get("mtu"), flags, addresses(node.pod(name), "eth1"))
    return (*shown, port.get("tag"), bridges)
