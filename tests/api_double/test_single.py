"""`type: secnet` as an ordinary CNI plugin for one network, called as Multus, a runtime or `cnitool` call it. No cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_testing.bridge_binding import CURRENT, BridgeBinding
from secnet_testing.cluster_node import compiled_plugin, pool
from secnet_testing.cni_caller import Caller
from secnet_testing.netns import run_in
from secnet_testing.node import BRIDGE, Node, NodeFactory
from secnet_testing.objects import as_manifest
from secnet_testing.slot_driver import slot_program, slots

pytestmark = pytest.mark.ovs

VM_IFNAME = "pod37a8eec1ce1"  # as KubeVirt names them


@pytest.fixture
def caller(node_factory: NodeFactory, tmp_path: Path) -> Caller:
    """A node with a running agent and the pool `blue`; the plugin is installed as the agent installs it."""
    bin_dir = tmp_path / "bin"
    node = node_factory(cni={"program": str(compiled_plugin()), "binDir": str(bin_dir)})
    node.put("pool.yaml", as_manifest(pool("blue")))
    node.agent()
    node.wait_until((bin_dir / "secnet").exists, "the plugin is installed")
    return Caller(node, bin_dir / "secnet")


def test_add_check_and_del_of_one_network(caller: Caller) -> None:
    netns = caller.node.pod("a")
    result = caller("ADD", netns)
    inside = next(each for each in result["interfaces"] if each.get("sandbox"))
    assert (inside["name"], inside["sandbox"]) == ("net1", netns.path)
    assert result["ips"][0]["address"] == "10.10.0.10/24"
    assert result["interfaces"][result["ips"][0]["interface"]] == inside
    assert "10.10.0.10/24" in run_in(netns, ["ip", "-o", "address", "show", "dev", "net1"])
    assert caller("CHECK", netns, prevResult=result) == {}
    run_in(netns, ["ip", "link", "set", "net1", "down"])
    assert caller("CHECK", netns, prevResult=result)["code"] == 104
    assert caller("DEL", netns) == {}
    assert caller("DEL", None) == {}
    assert caller.node.records() == ()
    assert caller.node.ovs.vsctl("list-ports", BRIDGE) == ""


def test_what_the_caller_adds_is_honoured_or_refused(caller: Caller) -> None:
    netns = caller.node.pod("a")
    runtime_config = {"mac": "02:00:00:00:00:07", "ips": ["10.10.0.99/24"]}
    result = caller("ADD", netns, runtimeConfig=runtime_config)
    assert result["ips"][0]["address"] == "10.10.0.99/24"
    assert (
        result["interfaces"][-1]["mac"] == runtime_config["mac"]
        or result["interfaces"][0]["mac"] == runtime_config["mac"]
    )
    again = caller("ADD", netns)
    assert "already" in again["msg"] + again.get("details", "")
    other = caller("ADD", netns, ifname="net2", runtimeConfig={"bandwidth": {"ingressRate": 1000}})
    assert "bandwidth" in other["msg"] + other.get("details", "")
    assert len(caller.node.records()) == 1


def test_the_device_that_the_caller_hands_over_is_used(caller: Caller, tmp_path: Path) -> None:
    caller.node.stop()
    caller.node.agent(program=slot_program(tmp_path / "plugin"))
    netns, conf = caller.node.pod("a"), {"networkType": "slot", "vlan": None, "ipam": None, "deviceID": "0000:3b:02.1"}
    result = caller("ADD", netns, **conf)
    assert [each.get("pciID") for each in result["interfaces"]] == ["0000:3b:02.1"]
    assert slots(caller.node.run_dir) == {"0000:3b:02.1": "c0ffee/net1"}
    again = caller("ADD", netns, ifname="net2", **conf)
    assert "0000:3b:02.1 still belongs to" in again["msg"] + again.get("details", "")
    without = caller("ADD", netns, ifname="net3", **conf | {"deviceID": None})
    assert "needs a device" in without["msg"] + without.get("details", "")
    assert caller("DEL", netns, **conf) == {}
    assert slots(caller.node.run_dir) == {}


def test_it_outlives_the_agent_and_goes_with_its_namespace(caller: Caller) -> None:
    netns = caller.node.pod("a")
    caller("ADD", netns)
    before = caller.node.records()
    caller.node.agents[-1].kill()
    caller.node.agent()
    assert caller("CHECK", netns, prevResult=caller_result(before)) == {}
    assert caller.node.records() == before
    caller.node.stop()
    caller.node.delete_pod_namespace("a")
    caller.node.agent()
    caller.node.wait_until(lambda: caller.node.records() == (), "what no one will ever ask to remove is removed")


def test_a_del_without_an_agent_is_made_up_for_by_its_caller(caller: Caller) -> None:
    netns = caller.node.pod("a")
    caller("ADD", netns)
    caller.node.stop()
    assert caller("DEL", netns)["code"] == 11
    caller.node.agent()
    assert caller("DEL", netns) == {}
    assert caller.node.records() == ()
    assert caller("ADD", netns)["ips"][0]["address"] == "10.10.0.10/24"


def test_an_agent_that_serves_no_plugin_still_lets_pods_end(caller: Caller) -> None:
    """As after leaving the component `multus`: only the caller knows that the network ended, and would wait for ever."""
    netns = caller.node.pod("a")
    caller("ADD", netns)
    caller.node.stop()
    content = yaml.safe_load(caller.node.config.read_text())
    caller.node.config.write_text(yaml.safe_dump({key: content[key] for key in content if key != "cni"}))
    caller.node.agent()
    refused = caller("ADD", netns, ifname="net2")
    assert (refused["code"], "no longer" in refused["msg"]) == (11, True)
    assert caller("DEL", netns) == {}
    assert caller.node.records() == ()
    assert caller.node.ovs.vsctl("list-ports", BRIDGE) == ""


def test_what_is_not_as_it_was_made_is_reported_and_left_to_the_caller(caller: Caller) -> None:
    netns, node = caller.node.pod("a"), caller.node
    node.stop()
    content = yaml.safe_load(node.config.read_text())
    node.config.write_text(yaml.safe_dump(content | {"workers": {"checkInterval": 1}}))
    node.agent()
    caller("ADD", netns)
    run_in(netns, ["ip", "link", "set", "net1", "down"])
    node.wait_until(lambda: phases(node) == ["Degraded"], "the drift is reported")
    shown = node.cli("status")
    assert (shown.returncode, "delete the Pod" in shown.stdout) == (1, True), shown.stdout
    assert "state DOWN" in run_in(netns, ["ip", "link", "show", "net1"])
    run_in(netns, ["ip", "link", "set", "net1", "up"])
    node.wait_until(lambda: phases(node) == ["Attached"], "all is well again")


@pytest.mark.parametrize("stand_in", [True, False], ids=["", "without stand-in"])
def test_an_interface_that_a_virtual_machine_uses_is_as_it_was_made(caller: Caller, stand_in: bool) -> None:
    """By CHECK as by the agent's own checks, also those of an agent that starts; and DEL takes it away all the same."""
    netns, node = caller.node.pod("a"), caller.node
    result = caller("ADD", netns, ifname=VM_IFNAME)
    binding = BridgeBinding(netns=netns, ifname=VM_IFNAME)
    binding.prepare()
    binding.bind(CURRENT if stand_in else CURRENT[:-1])
    bound = binding.link(binding.nic)["ifindex"]
    assert caller("CHECK", netns, ifname=VM_IFNAME, prevResult=result) == {}
    node.agents[-1].kill()
    node.agent()
    node.wait_until(lambda: phases(node) == ["Attached"], "the next agent finds it as it was made")
    assert caller("CHECK", netns, ifname=VM_IFNAME, prevResult=result) == {}
    node.ovs.vsctl("set", "Port", str(node.records()[0].attachment.names["host"]), "tag=99")
    assert caller("CHECK", netns, ifname=VM_IFNAME, prevResult=result)["code"] == 104
    assert binding.link(binding.nic)["ifindex"] == bound
    assert caller("DEL", netns, ifname=VM_IFNAME) == {}
    assert (node.records(), binding.link(binding.nic)) == ((), {})
    assert node.ovs.vsctl("list-ports", BRIDGE) == ""


def phases(node: Node) -> list[str]:
    """Of all networks, as `secnet status` has them."""
    return [network["phase"] for each in node.status()["pods"] for network in each["networks"]]


def test_gc_removes_what_the_runtime_does_not_name(caller: Caller) -> None:
    netns = caller.node.pod("a")
    caller("ADD", netns)
    caller("ADD", netns, ifname="net2")
    valid = [{"containerID": "c0ffee", "ifname": "net2"}]
    assert caller("GC", None, **{"cni.dev/valid-attachments": valid}) == {}
    assert [record.key.ifname for record in caller.node.records()] == ["net2"]
    assert caller("GC", None, name="other", **{"cni.dev/valid-attachments": []}) == {}
    assert len(caller.node.records()) == 1


def test_a_caller_that_gives_up_leaves_nothing(caller: Caller) -> None:
    """A runtime kills the plugin when its own time is up: the attach that goes on in the agent is withdrawn and undone."""
    netns, ovs = caller.node.pod("a"), caller.node.ovs
    ovs.pause_switch()
    try:
        waiting = caller.begin("ADD", netns)
        caller.node.wait_until(lambda: caller.node.records(), "the attach has begun")
        waiting.kill()
        waiting.communicate()
    finally:
        ovs.resume_switch()
    caller.node.wait_until(lambda: caller.node.records() == (), "what was begun is undone")
    assert ovs.vsctl("list-ports", BRIDGE) == ""
    assert caller("ADD", netns)["ips"][0]["address"] == "10.10.0.10/24"


def test_the_agents_own_namespace_is_refused(caller: Caller) -> None:
    error = caller("ADD", caller.node.namespace)
    assert "own" in error["msg"] + error.get("details", "")
    assert caller.node.records() == ()


def caller_result(records: Any) -> dict[str, Any]:
    """A prevResult as a runtime keeps it: what CHECK must be given."""
    (record,) = records
    addresses = [item.address for item in record.attachment.lease.addresses]
    return {"cniVersion": "1.1.0", "interfaces": [], "ips": [{"address": address} for address in addresses]}
