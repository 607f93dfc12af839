"""The annotation `secnet.io/devices`, what containers ask for, and what an id says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.devices import AnnotatedDevices
from secnet.agent.devices.asked import asked_for
from secnet.agent.devices.pci import device_info, pci_address
from secnet.contract import InvalidConfig

VF = "example.com/vf"


def pod(text: str | None) -> dict[str, Any]:
    annotations = {} if text is None else {"secnet.io/devices": text}
    return {"metadata": {"name": "web", "annotations": annotations}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, {}),
        ("{}", {}),
        ("[]", {"": ()}),
        ('["b", "a"]', {"": ("b", "a")}),
        ('{"example.com/vf": ["b", "a"], "x/y": ["c"]}', {VF: ("b", "a"), "x/y": ("c",)}),
        ('["0000:3B:02.A", "0000:3B:1F.1", "Slot-1"]', {"": ("0000:3B:02.A", "0000:3b:1f.1", "Slot-1")}),
    ],
)
def test_ids_by_resource_in_the_order_of_the_author(text: str | None, wanted: Any) -> None:
    assert AnnotatedDevices().devices_of(pod(text)) == wanted


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{", "", "invalid JSON"),
        ('"a"', "", "ids by resource"),
        ('{"x": "a"}', ": $.x", "list of device ids"),
        ('{"x": ["a", 1]}', ": $.x[1]", "id of a device"),
        ('{"": ["a"]}', "", "without a name"),
        ('[""]', ": $[0]", "id of a device"),
        ('{"x": ["a"], "y": ["a"]}', ": $.y[0]", "named twice"),
        ('["0000:3B:02.1", "0000:3b:02.1"]', ": $[1]", "named twice"),
    ],
)
def test_what_is_refused(text: str, path: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        AnnotatedDevices().devices_of(pod(text))
    assert caught.value.subject == "Pod default/web"
    assert caught.value.path.startswith("$.metadata.annotations['secnet.io/devices']")
    assert caught.value.path.endswith(path or caught.value.path)
    assert caught.value.hint


def container(count: Any, **rest: Any) -> dict[str, Any]:
    return {"resources": {"limits": {VF: count}}, **rest}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 0),
        ({"containers": [{}]}, 0),
        ({"containers": [container("2"), container(1)]}, 3),
        ({"initContainers": [container("2")], "containers": [container("1")]}, 2),
        ({"initContainers": [container("1", restartPolicy="Always")], "containers": [container("1")]}, 2),
        ({"containers": [container("1k")]}, 0),
    ],
)
def test_what_containers_ask_for(spec: Any, count: int) -> None:
    assert asked_for({"spec": spec}, VF) == count


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0000:3b:02.1", "0000:3b:02.1"),
        ("0000:3B:1F.7", "0000:3b:1f.7"),
        ("10000:00:02.1", "10000:00:02.1"),
        ("0000-3b-02-1", "0000:3b:02.1"),
        ("pci-0000-3b-02-1", "0000:3b:02.1"),
        ("0000:3b:22.1", None),
        ("0000:3b:02.8", None),
        ("3b:02.1", None),
        ("0000:3b:02.1\n", None),
        ("mlx5_core.sf.4", None),
    ],
)
def test_pci_addresses(text: str, address: str | None) -> None:
    assert pci_address(text) == address


def test_device_info_of_a_pci_device_only() -> None:
    wanted = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}
    assert json.loads(json.dumps(device_info("0000:3b:02.1"))) == wanted
    assert device_info("mlx5_core.sf.4") is None
    assert device_info("0000-3b-02-1") is None, "a name like an address is not one"
