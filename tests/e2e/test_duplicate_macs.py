"""Two Pods of a node that ask for one MAC on one VLAN: status and an Event name the other one; or the second waits."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.node import BRIDGE, Node, NodeFactory
from secnet_testing.node_inspection import errors_of, wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

MAC = "02:00:00:00:13:13"


def _node(node_factory: NodeFactory, **settings: Any) -> Node:
    bridges = {"ovsBridges": [{"bridgeName": BRIDGE}], "datapathType": "netdev", **settings}
    workers = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    node = node_factory(ovsBridges=None, datapathType=None, drivers={"vlan": bridges}, workers=workers)
    node.put(
        "shared.yaml",
        as_manifest(
            nad("net", pools=["net"]), pool("net", "10.10.0.2-10.10.0.9", gateway="10.10.0.1", prefix=24, vlan=7)
        ),
    )
    node.agent()
    return node


def _put(node: Node, name: str) -> None:
    node.put(f"{name}.yaml", as_manifest(pod(name, node.pod(name).path, [{"name": "net", "mac": MAC}])))


def _reasons(node: Node, name: str) -> list[str]:
    report = node.report(name)
    return [item.error.reason for item in report.networks if item.error] if report is not None else []


def test_both_say_so_and_stay_in_service(node_factory: NodeFactory) -> None:
    node = _node(node_factory)
    for name in ("one", "two"):
        _put(node, name)
    for name, other in (("one", "two"), ("two", "one")):
        node.wait_until(lambda name=name: _reasons(node, name) == ["DuplicateMac"], "it is reported")  # type: ignore[misc]
        (error,) = errors_of(node.status(), name)
        assert (
            f"Pod default/{other} interface eth1 has the MAC {MAC} on VLAN 7 of OVS bridge {BRIDGE}" in error["message"]
        )
        event = f"Pod default/{name}: DuplicateMac: default/net (eth1): "
        node.wait_until(lambda event=event: event in node.agents[-1].text, "an Event")  # type: ignore[misc]
        conditions = node.store.get("Pod", name, "default")["status"]["conditions"]
        assert [each["status"] for each in conditions if each["type"] == "secnet.io/SecondaryNetworksReady"] == ["True"]
    node.remove("two.yaml")
    node.wait_attached("one")


def test_the_second_waits_for_the_first_to_go(node_factory: NodeFactory) -> None:
    node = _node(node_factory, duplicateMac="refuse")
    _put(node, "one")
    node.wait_attached("one")
    _put(node, "two")
    wait_error(node, "two")
    (error,) = errors_of(node.status(), "two")
    assert (error["reason"], error["retryable"]) == ("Busy", True)
    assert "Pod default/one interface eth1 has the MAC" in error["message"]
    used = node.store.get("IPPool", "net")["status"]["ipAddresses"]
    assert [entry["owner"]["pod"]["name"] for entry in used] == ["one"], "it holds no address while it waits"
    node.remove("one.yaml")
    node.wait_attached("two")
