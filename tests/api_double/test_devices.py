"""Devices that the kubelet gave, on their way to the networks of real Pods: beside the containers, and before them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod
from secnet_testing.podresources import PodResources
from secnet_testing.slot_driver import RESOURCE, slot_nad_annotations, slot_program, slots

pytestmark = pytest.mark.runtime

DEVICES = [f"0000:3b:02.{number}" for number in range(4)]

Start = Callable[..., ClusterNode]


@pytest.fixture(params=[False, True], ids=["beside", "before"])
def start(cluster_node_factory: ClusterNodeFactory, tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """A node with four devices, networks `a` and `b` that need one each, and an agent; its Pods wait for networks or not."""

    def run(**settings: Any) -> ClusterNode:
        node = cluster_node_factory(sync=request.param, devices={RESOURCE: DEVICES}, **settings)
        for name in ("a", "b"):
            made = nad(name, networkType="slot", vlan=None, ipam=None)
            made["metadata"]["annotations"] = slot_nad_annotations()
            node.api.create(made)
        node.node.agent(program=slot_program(tmp_path / "plugin"))
        if request.param:
            node.wait_chained()
        return node

    return run


def devices_of(node: ClusterNode) -> PodResources:
    assert node.kubelet.devices is not None
    return node.kubelet.devices


def with_devices(name: str, networks: str, count: int) -> Any:
    made = pod(name, networks)
    made["spec"]["containers"][0]["resources"] = {"limits": {RESOURCE: str(count)}}
    return made


def addresses_of(node: ClusterNode, name: str) -> dict[str, str]:
    """The PCI address of each network of a Pod, as network-status tells it."""
    entries = [each for each in node.network_status(name) if "device-info" in each]
    assert all(each["device-info"]["type"] == "pci" for each in entries)
    return {each["name"]: each["device-info"]["pci"]["pci-address"] for each in entries}


def test_each_network_keeps_its_device(start: Start, tmp_path: Path) -> None:
    """Two networks of one resource, another Pod beside it, and the agent killed in between."""
    node = start()
    node.api.create(with_devices("one", "b,a", 2))
    node.wait_attached("one")
    node.api.create(with_devices("two", "a", 1))
    node.wait_attached("two")
    held = {name: addresses_of(node, name) for name in ("one", "two")}
    assert sorted(held["one"]) == ["default/a", "default/b"]
    given = [held["one"]["default/b"], held["one"]["default/a"], held["two"]["default/a"]]
    assert given == DEVICES[:3], "the order of the annotation"
    assert sorted(slots(node.node.run_dir)) == given

    before = node.node.records()
    declared = {record.result.details["awaited"] for record in before if record.result is not None}
    assert declared == {node.is_chained}, "a driver learns whether containers wait"
    node.node.agents[-1].kill()
    node.node.agent(program=slot_program(tmp_path / "plugin"))
    node.wait_reported("one", "two")
    assert node.node.records() == before

    node.delete("one")
    node.wait_gone("one")
    assert sorted(slots(node.node.run_dir)) == [DEVICES[2]]
    node.api.create(with_devices("three", "a,b", 2))
    node.wait_attached("three")
    assert addresses_of(node, "three") == {"default/a": DEVICES[0], "default/b": DEVICES[1]}


def test_a_kubelet_that_knows_nothing_yet(start: Start) -> None:
    node = start()
    devices_of(node).faults.empty = True
    node.api.create(with_devices("one", "a", 1))
    node.wait(lambda: devices_of(node).calls.count("Get") >= 2, "it is asked again")
    assert node.node.records() == ()
    devices_of(node).faults.empty = False
    node.wait_attached("one")
    assert addresses_of(node, "one") == {"default/a": DEVICES[0]}


def test_a_kubelet_that_is_away_and_old(start: Start) -> None:
    node = start()
    devices_of(node).faults.get = "disabled"
    devices_of(node).stop()
    node.api.create(with_devices("one", "a", 1))
    node.wait(lambda: "kubelet" in node.condition("one").get("message", ""), "the condition tells of the kubelet")
    devices_of(node).start()
    node.wait_attached("one")
    assert addresses_of(node, "one") == {"default/a": DEVICES[0]}
    assert "List" in devices_of(node).calls


def test_too_few_devices(start: Start) -> None:
    node = start()
    node.api.create(with_devices("one", "a,b", 1))
    text = f"2 networks that need a device of resource {RESOURCE}, and was given 1; request 2 of {RESOURCE} in resources.limits"
    node.wait(lambda: text in node.condition("one").get("message", ""), "the condition counts, and says what to do")


def test_a_pod_without_devices_costs_the_kubelet_nothing(start: Start) -> None:
    node = start()
    node.api.create(nad("blue", ipam=None))
    node.api.create(pod("plain", "blue"))
    node.wait_attached("plain")
    assert devices_of(node).calls == []
