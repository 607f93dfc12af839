"""Devices that manifests name, given to the networks of a third-party driver."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.node import Node
from secnet_testing.slot_driver import RESOURCE, slot_command, slot_nad_annotations, slot_program, slots

pytestmark = pytest.mark.ovs


@pytest.fixture
def slotted(bare: Node, tmp_path: Path) -> Iterator[Node]:
    """The module's node with an agent that has the driver; the Pods are taken away while it is there."""
    bare.agent(program=slot_program(tmp_path / "plugin"))
    yield bare
    print(bare.logs())  # pytest shows it when the test failed
    give_back(bare)


def give_back(node: Node) -> None:
    """Take the Pods away while an agent with the driver is there."""
    for file in node.manifests.iterdir():
        file.unlink()
    node.wait_until(lambda: not node.records(), "nothing is attached")


def put(node: Node, networks: str, devices: Any, name: str = "web") -> None:
    """Networks `a` and `b` of one resource, and a Pod."""
    config = {"cniVersion": "1.0.0", "type": "antrea", "networkType": "slot"}
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": each, "namespace": "default", "annotations": slot_nad_annotations()},
            "spec": {"config": json.dumps(config)},
        }
        for each in ("a", "b")
    ]
    for each in objects:
        node.put(f"{each['metadata']['name']}.json", json.dumps(each))
    annotations = {
        "k8s.v1.cni.cncf.io/networks": networks,
        "secnet.io/netns": node.pod(name).path,
        "secnet.io/devices": json.dumps(devices),
    }
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}}
    node.put(f"{name}.json", json.dumps(made))


def held(node: Node, name: str = "web") -> dict[str, str]:
    return {
        record.attachment.request.network.name: record.attachment.request.device.id
        for record in node.records()
        if record.pod and record.pod.name == name and record.attachment.request.device
    }


def wait_reason(node: Node, name: str, reason: str) -> None:
    """Wait until a network of the Pod is reported with this error."""

    def reported() -> bool:
        report = node.report(name)
        return report is not None and reason in [each.error.reason for each in report.networks if each.error]

    node.wait_until(reported, f"{reason} of Pod {name}")


def test_from_the_annotation_to_network_status_and_back(slotted: Node, tmp_path: Path) -> None:
    put(slotted, "b,a", {RESOURCE: ["0000:3b:02.1", "mlx5_core.sf.4"]})
    slotted.wait_attached("web")
    assert held(slotted) == {"b": "0000:3b:02.1", "a": "mlx5_core.sf.4"}
    infos = {each["name"]: each.get("device-info") for each in slotted.network_status("web") if not each["default"]}
    pci = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}
    assert infos == {"default/b": pci, "default/a": None}, "nothing is told of what is no PCI device"

    slotted.stop()
    slotted.agent(program=slot_program(tmp_path / "plugin"))
    put(slotted, "a", {RESOURCE: ["0000:3b:02.1", "mlx5_core.sf.4"]})
    slotted.wait_attached("web")
    slotted.wait_until(lambda: held(slotted) == {"a": "mlx5_core.sf.4"}, "the one that stays keeps its device")
    assert list(slots(slotted.run_dir)) == ["mlx5_core.sf.4"]
    slotted.remove("web.json")
    slotted.wait_until(lambda: slots(slotted.run_dir) == {}, "it is given back")


def test_too_few_then_enough(slotted: Node) -> None:
    put(slotted, "a,b", ["d1"])
    wait_reason(slotted, "web", "NotReady")
    assert held(slotted) == {"a": "d1"}
    put(slotted, "a,b", ["d2", "d1"])
    slotted.wait_attached("web")
    assert held(slotted) == {"a": "d1", "b": "d2"}


def test_a_device_of_another_pod_comes_when_it_is_free(slotted: Node) -> None:
    """Its author may write anything; the driver names no lock."""
    put(slotted, "a", ["d1"], "one")
    slotted.wait_attached("one")
    put(slotted, "a", ["d1"], "two")
    wait_reason(slotted, "two", "Busy")
    assert held(slotted, "two") == {}
    slotted.remove("one.json")
    slotted.wait_attached("two")
    assert held(slotted, "two") == {"a": "d1"}


def test_an_annotation_that_cannot_be_read(slotted: Node) -> None:
    put(slotted, "a", {RESOURCE: "d1"})
    wait_reason(slotted, "web", "InvalidConfig")
    put(slotted, "a", {RESOURCE: ["d1"]})
    slotted.wait_attached("web")


@pytest.mark.parametrize(
    "point", ["journal.plan#1:after", "slot.take#1:after", "journal.plan#2:after", "slot.take#2:after"]
)
def test_a_killed_agent_gives_the_same_devices(bare: Node, tmp_path: Path, point: str) -> None:
    """Although the annotation names the networks the other way round by then, and the first one is begun again."""
    killable = (sys.executable, "-m", "secnet_testing.killable_agent", "kill", point, str(tmp_path / "marker"))
    put(bare, "a,b", ["d1", "d2"])
    killed = bare.agent(program=slot_command(tmp_path / "plugin", killable), ready=False)
    killed.wait_end(30)
    assert (tmp_path / "marker").read_text(encoding="utf-8") == point
    put(bare, "b,a", ["d1", "d2"])
    bare.agent(program=slot_program(tmp_path / "plugin"))
    bare.wait_attached("web")
    assert held(bare) == {"a": "d1", "b": "d2"}
    assert sorted(slots(bare.run_dir)) == ["d1", "d2"]
    give_back(bare)
