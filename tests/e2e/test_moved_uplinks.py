"""Bridges that lose or wait for their uplinks, under a whole agent: living Pods keep the wire, and new ones wait for it."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.agent_page import PORT, ask
from secnet_testing.netns import Namespace, ping, run_in
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import errors_of, wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs

FAR = "10.10.0.1"


def _wire(node: Node, name: str) -> Namespace:
    """An uplink of the node, whose far end is the gateway of the network, in a namespace of its own."""
    far = node.pod(f"far-{name}")
    peer = ["peer", "name", "far0", "address", "02:00:00:00:00:fe", "netns", far.name]
    run_in(node.namespace, ["ip", "link", "add", name, "up", "type", "veth", *peer])
    run_in(far, ["ip", "addr", "add", f"{FAR}/24", "dev", "far0"])
    run_in(far, ["ip", "link", "set", "far0", "up"])
    return far


def _bridges(**named: list[str]) -> dict[str, Any]:
    listed = [{"bridgeName": name.replace("_", "-"), "physicalInterfaces": ports} for name, ports in named.items()]
    return {"ovsBridges": listed, "http": {"listen": f"127.0.0.1:{PORT}"}}


def _put(node: Node, *names: str) -> None:
    for name in names:
        node.put(f"{name}.yaml", as_manifest(pod(name, node.pod(name).path, "net")))


def _share(node: Node) -> None:
    node.put(
        "shared.yaml",
        as_manifest(nad("net", pools=["net"]), pool("net", "10.10.0.2-10.10.0.99", gateway=FAR, prefix=24)),
    )


def _restart(node: Node, **named: list[str]) -> None:
    node.stop()
    node.configure(**_bridges(**named))
    node.agent()


def test_a_renamed_bridge_cuts_no_pod_off_and_keeps_no_agent_unready(node_factory: NodeFactory) -> None:
    node = node_factory(**_bridges(br_old=["up0"]))
    _wire(node, "up0")
    _share(node)
    node.agent()
    _put(node, "web")
    node.wait_attached("web")
    with traffic(node.pod("web"), FAR) as flow:
        _restart(node, br_new=["up0"])
        _put(node, "db")
        wait_error(node, "db")
        (error,) = errors_of(node.status(), "db")
        assert (error["reason"], error["subject"]) == ("NotReady", "OVS bridge br-new")
        assert "uplink up0 is still in the OVS bridge br-old, which has 1 Pod" in error["message"]
        node.wait_until(lambda: ask(node, "/readyz") == (200, "ok\n"), "ready while the bridge drains")
        shown = node.cli("status")
        assert "BridgeDraining: OVS bridge br-old is no longer configured but has 1 Pod" in shown.stdout
        node.agents[-1].kill()
        node.agent()
        node.wait_attached("web")
        wait_error(node, "db")
        flow.flows()
        assert flow.lost == 0
        _damage(node, "web")
        flow.flows()
    node.remove("web.yaml")
    node.wait_attached("db")
    assert ping(node.pod("db"), FAR)
    assert sorted(node.ovs.vsctl("list-br").split()) == ["br-new"]


def _damage(node: Node, name: str) -> None:
    """The only port of a bridge that drains is lost: it comes back where it was."""
    (record,) = [r for r in node.records() if r.pod and r.pod.name == name]
    port = record.attachment.names["host"]
    node.ovs.vsctl("del-port", port)
    node.stop()
    node.agent()
    node.wait_until(lambda: port in node.ovs.vsctl("list-ports", "br-old").split(), "the port is repaired")


def test_traffic_passes_through_rename_and_back(node_factory: NodeFactory) -> None:
    node = node_factory(**_bridges(br_old=["up0"]))
    _wire(node, "up0")
    _share(node)
    node.agent()
    _put(node, "web")
    node.wait_attached("web")
    with traffic(node.pod("web"), FAR) as flow:
        _restart(node, br_new=["up0"])
        node.wait_attached("web")
        _restart(node, br_old=["up0"])
        node.wait_attached("web")
        flow.flows()
        assert flow.lost == 0
    _put(node, "db")
    node.wait_attached("db")
    assert [state["report"]["findings"] for state in node.status()["drivers"] if state["network_type"] == "vlan"] == [
        []
    ]


def test_pods_wait_for_the_first_uplink_and_live_through_its_loss(node_factory: NodeFactory) -> None:
    node = node_factory(**_bridges(br_net=["up0", "up1"]))
    _share(node)
    node.agent()
    _put(node, "web")
    wait_error(node, "web")
    (error,) = errors_of(node.status(), "web")
    assert (error["reason"], error["subject"]) == ("NotReady", "OVS bridge br-net")
    assert "none of its uplinks exists on this node: up0, up1" in error["message"]
    assert ask(node, "/readyz")[0] == 503
    _wire(node, "up1")
    node.wait_attached("web")
    assert ping(node.pod("web"), FAR)
    node.wait_until(lambda: ask(node, "/readyz") == (200, "ok\n"), "one of two is enough")
    assert "the uplink up0 does not exist" in node.cli("status").stdout
    run_in(node.namespace, ["ip", "link", "del", "up1"])
    _put(node, "db")
    wait_error(node, "db")
    node.wait_attached("web")
    _wire(node, "up1")
    node.wait_attached("db", "web")
    assert ping(node.pod("web"), FAR)
    assert ping(node.pod("db"), FAR)
