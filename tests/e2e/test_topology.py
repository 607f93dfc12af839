"""The drawing of a real node: two VLANs on a bridge with an uplink, an uplink that is not there, and a Pod without its bridge."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node, NodeFactory
from secnet_testing.node_inspection import wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs


@pytest.fixture
def busy(node_factory: NodeFactory) -> Node:
    """The node, drawn once its agent came to rest."""
    node = node_factory(ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": ["snup0", "snmissing"]}])
    run_in(node.namespace, ["ip", "link", "add", "snup0", "type", "veth", "peer", "name", "snwire0"])
    node.put(
        "all.yaml",
        as_manifest(
            nad("red", vlan=11, pools=["red"]),
            nad("blue", vlan=12),
            nad("lost", vlan=11, bridge="br-lost"),
            pool("red", "10.11.0.10-10.11.0.19", gateway="10.11.0.1", prefix=24),
            pod("web", node.pod("web").path, "red,blue"),
            pod("db", node.pod("db").path, "blue"),
            pod("bad", node.pod("bad").path, "lost"),
        ),
    )
    node.agent()
    node.wait_attached("web", "db")
    wait_error(node, "bad")
    return node


def test_the_drawing_of_a_node(busy: Node) -> None:
    done = busy.cli("topology")
    assert done.returncode == 1, "something is broken"
    reconciler, *lines = done.stdout.splitlines()
    assert reconciler.startswith("agent ")
    assert lines[:9] == [
        "node node-1: 1 bridge, 2 VLANs, 3 Pods, 4 interfaces, 1 broken",
        f"├─ bridge {BRIDGE}",
        "│  ├─ uplink snup0",
        "│  ├─ ✗ uplink snmissing",
        "│  ├─ VLAN 11",
        "│  │  └─ default/web  eth1  10.11.0.10/24",
        "│  └─ VLAN 12",
        "│     ├─ default/db   eth1  no address",
        "│     └─ default/web  eth2  no address",
    ]
    assert lines[9] == "└─ not attached"
    assert lines[10].startswith("   └─ default/bad     eth1  no address  ✗ ")
    picture = busy.folder / "node.svg"
    assert busy.cli("topology", "--svg", picture).returncode == 1
    words = {item.text for item in ET.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}text")}
    assert {"snup0", "VLAN 11", "VLAN 12", "10.11.0.10/24", "web", "db", "bad"} <= words


def _on_terminal(node: Node, **environment: str) -> bytes:
    """What the command prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    argv = [str(Path(sys.executable).with_name("secnet")), "topology", "--config", str(node.config)]
    inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with open(theirs, "wb", closefd=True) as terminal:
        process = subprocess.Popen(argv, stdout=terminal, env={**inherited, **environment})
    text = b""
    with open(ours, "rb", buffering=0) as reader:
        try:
            while part := reader.read(4096):
                text += part
        except OSError:  # Linux says EIO at the end of what a terminal has to say
            pass
    assert process.wait(30) == 1
    return text


def test_red_on_a_terminal_only(busy: Node) -> None:
    assert "\x1b[" not in busy.cli("topology").stdout
    assert b"\x1b[31m" in _on_terminal(busy)
    assert b"\x1b[" not in _on_terminal(busy, NO_COLOR="1")
