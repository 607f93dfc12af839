"""Networks as Multus calls the plugin for them: what it passes on of the annotation, and chains with other plugins.

Multus itself is not here: what it puts into the configuration is written by hand, and the plugins of the chain are the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.cluster_node import compiled_plugin, pool
from secnet_testing.cni_caller import CONF, Caller
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node, NodeFactory
from secnet_testing.objects import as_manifest, pod

pytestmark = pytest.mark.ovs

MAC = "02:00:00:00:00:07"
LATER_MAC = "02:00:00:00:0a:0b"
MEMBER = {key: value for key, value in CONF.items() if key not in ("cniVersion", "name")}


def nad(**config: Any) -> dict[str, Any]:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "blue-nad", "namespace": "default"},
        "spec": {"config": json.dumps({"cniVersion": "1.0.0", "name": "blue", **config})},
    }


@pytest.fixture
def caller(node_factory: NodeFactory, tmp_path: Path) -> Caller:
    """A node with a running agent, where Multus serves; the pool `blue`."""
    bin_dir = tmp_path / "bin"
    node = node_factory(
        cni={"program": str(compiled_plugin()), "binDir": str(bin_dir)},
        multus="present",
        workers={"checkInterval": 1},
    )
    node.put("pool.yaml", as_manifest(pool("blue")))
    node.agent()
    node.wait_until((bin_dir / "secnet").exists, "the plugin is installed")
    return Caller(node, bin_dir / "secnet")


def put(caller: Caller, network: dict[str, Any], **element: Any) -> None:
    """The network, and the Pod `a` that asks for it, as the API would have them; the agent knows both then."""
    node, networks = caller.node, json.dumps([{"name": "blue-nad", **element}])
    node.put("blue.yaml", as_manifest(network, pod("a", node.pod("a").path, networks)))

    def known() -> bool:
        report = node.report("a")
        return report is not None and report.error is None and report.networks == ()

    node.wait_until(known, "the Pod's network is left to Multus")
    caller.pod_uid = node.store.get("Pod", "a")["metadata"]["uid"]


def errors(node: Node) -> list[dict[str, Any]]:
    return [network["error"] for each in node.status()["pods"] for network in each["networks"] if network.get("error")]


def events(node: Node) -> list[str]:
    return [line for line in node.agents[-1].text.splitlines() if "CapabilityNotDeclared" in line]


@pytest.mark.parametrize("chained", [False, True], ids=["alone", "in a chain"])
def test_what_the_annotation_asks_for_and_multus_does_not_pass_on_is_reported(caller: Caller, chained: bool) -> None:
    node, netns = caller.node, caller.node.pod("a")
    put(caller, nad(plugins=[MEMBER, {"type": "sbr"}]) if chained else nad(**MEMBER), mac=MAC, ips=["10.10.0.99/24"])
    assert caller("ADD", netns)["ips"][0]["address"] == "10.10.0.10/24"
    node.wait_until(lambda: errors(node), "the status says it")
    (error,) = errors(node)
    assert (error["reason"], error["subject"]) == (
        "CapabilityNotDeclared",
        "NetworkAttachmentDefinition default/blue-nad",
    )
    assert "mac and ips" in error["message"]
    assert '"capabilities": {"mac": true, "ips": true}' in error["hint"]
    assert error["path"] == ("$.plugins[0].capabilities" if chained else "$.capabilities")
    assert len(events(node)) > 0
    caller("DEL", netns)
    node.wait_until(lambda: not errors(node), "it ended with the network")


def test_what_multus_passes_on_is_not_missed(caller: Caller) -> None:
    node, netns = caller.node, caller.node.pod("a")
    put(caller, nad(**MEMBER, capabilities={"mac": True, "ips": True}), mac=MAC, ips=["10.10.0.99/24"])
    runtime_config = {"mac": MAC, "ips": ["10.10.0.99/24"]}
    result = caller("ADD", netns, runtimeConfig=runtime_config, capabilities={"mac": True, "ips": True})
    assert result["ips"][0]["address"] == "10.10.0.99/24"
    _checks(node, 2)
    assert errors(node) == []


def test_cni_args_are_named_as_the_annotations(caller: Caller) -> None:
    node, netns = caller.node, caller.node.pod("a")
    put(caller, nad(**MEMBER), **{"cni-args": {"logicNetworkName": "x"}})
    refused = caller("ADD", netns, args={"cni": {"logicNetworkName": "x"}})
    assert "annotation k8s.v1.cni.cncf.io/networks of Pod default/a" in refused["msg"]
    assert "cni-args" in refused["msg"]
    assert "remove cni-args" in refused["details"]
    assert node.records() == ()
    assert "ips" in caller("ADD", netns, args={"cni": {}})


def test_what_later_plugins_of_a_chain_change_is_no_drift(caller: Caller) -> None:
    node, netns = caller.node, caller.node.pod("a")
    tuning = {"sysctl": {"net.ipv4.conf.net1.rp_filter": "2"}, "mac": LATER_MAC}
    put(caller, nad(plugins=[MEMBER, {"type": "tuning", **tuning}, {"type": "sbr"}]))
    first = caller("ADD", netns, cniVersion="1.0.0")
    result = first
    for name, conf in (("tuning", tuning), ("sbr", {})):
        result = caller.other(name, "ADD", netns, **conf, prevResult=result)
    assert LATER_MAC in run_in(netns, ["ip", "link", "show", "net1"])
    assert "lookup 100" in run_in(netns, ["ip", "rule"])
    _checks(node, 2)
    assert errors(node) == []
    assert caller("CHECK", netns, cniVersion="1.0.0", prevResult=result) == {}
    run_in(netns, ["ip", "link", "set", "net1", "address", "02:00:00:00:0c:0c"])
    wrong = caller("CHECK", netns, cniVersion="1.0.0", prevResult=result)
    assert (wrong["code"], LATER_MAC in wrong["msg"]) == (104, True)
    run_in(netns, ["ip", "link", "set", "net1", "address", LATER_MAC])
    (port,) = node.ovs.vsctl("list-ports", BRIDGE).split()
    node.ovs.vsctl("set", "port", port, "tag=7")
    tag = ("--bare", "--columns=tag", "find", "port", f"name={port}")
    node.wait_until(lambda: node.ovs.vsctl(*tag).strip() == "100", "the host's side is repaired all the same")
    assert LATER_MAC in run_in(netns, ["ip", "link", "show", "net1"])
    for name, conf in (("sbr", {}), ("tuning", tuning)):
        caller.other(name, "DEL", netns, **conf, prevResult=result)
    assert caller("DEL", netns) == {}
    assert node.records() == ()


def _checks(node: Node, count: int) -> None:
    """Wait for the end of so many rounds."""
    for _ in range(count):
        before = _written(node)
        node.wait_until(lambda before=before: _written(node) != before, "a round of checks")  # type: ignore[misc]


def _written(node: Node) -> tuple[int, int]:
    """When the last round ended: each writes what it found."""
    found = (node.run_dir / "single.json").stat()
    return found.st_ino, found.st_mtime_ns
