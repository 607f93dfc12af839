"""What is beyond the limits is refused with what to do; what is at them is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.model.limits import Limits
from secnet.agent.model.selection import Malformed, Selection
from secnet.agent.networks.annotation import InvalidAnnotation, parse_networks
from secnet.agent.networks.limits import too_many_bytes, too_many_items
from secnet.agent.networks.nad import InvalidNetwork, parse_config, parse_nad
from secnet.agent.plugins.registry import Registry
from secnet.contract import NetworkRef
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
FEW = Limits(networks_per_pod=3, list_items=16, text_bytes=1024)
CONFIG = {"cniVersion": "1.0.0", "type": "antrea", "networkType": "vlan", "vlan": 100}


def nad(**more: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": "blue"},
        "spec": {"config": json.dumps(CONFIG | more)},
    }


@pytest.mark.parametrize(
    ("text", "most", "too_many"), [("abc", 3, False), ("abcd", 3, True), ("\u00e9\u00e9", 3, True)]
)
def test_bytes_are_those_of_utf_8(text: str, most: int, too_many: bool) -> None:
    assert too_many_bytes(text, most) is too_many


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"a": [1, 2]}, None),
        ({"a": [1, 2, 3]}, (("a",), 3)),
        ([[{"b": {"x": 1, "y": 2, "z": 3}}]], ((0, 0, "b"), 3)),
        ("abc", None),
    ],
)
def test_lists_and_objects_are_counted_wherever_they_are(data: Any, found: Any) -> None:
    assert too_many_items(data, 2) == found


@pytest.mark.parametrize(
    "text", [",".join(["blue"] * 4), json.dumps([{"name": "blue"}] * 4)], ids=["the short form", "JSON"]
)
def test_a_pod_asks_for_so_many_networks_and_no_more(text: str) -> None:
    with pytest.raises(InvalidAnnotation, match="asks for 4 networks, and at most 3") as caught:
        parse_networks(text, "default", FEW)
    assert "limits.networksPerPod" in caught.value.hint
    assert len(parse_networks(text, "default", Limits(networks_per_pod=4))) == 4


def test_six_thousand_networks_are_refused_by_a_node_that_says_nothing_of_limits() -> None:
    with pytest.raises(InvalidAnnotation, match="6000 networks"):
        parse_networks(",".join(["blue"] * 6000), "default")
    assert len(parse_networks(",".join(["blue"] * 100), "default")) == 100


def test_an_annotation_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(InvalidAnnotation, match="longer than 1024 bytes") as caught:
        parse_networks("[" + " " * 1024, "default", FEW)
    assert "limits.textBytes" in caught.value.hint


@pytest.mark.parametrize(
    "element",
    [
        {"name": "blue", "ips": [f"10.0.0.{number}" for number in range(1, 18)]},
        {"name": "blue", "cni-args": {f"k{number}": 1 for number in range(17)}},
        {"name": "blue", "example.org/x": [[0] * 17]},
    ],
    ids=["a list", "an object", "what others own"],
)
def test_a_selection_with_too_many_items_fails_alone(element: Any) -> None:
    bad, good = parse_networks(json.dumps([element, {"name": "red"}]), "default", FEW)
    assert isinstance(bad, Malformed)
    assert "17 items, and at most 16" in bad.error.message
    assert bad.error.path.startswith("$[0].") or bad.error.path.startswith("$[0][")
    assert "limits.listItems" in bad.error.hint
    assert isinstance(good, Selection)


def test_a_config_with_too_many_items_is_refused_before_any_plugin_sees_it() -> None:
    with pytest.raises(InvalidNetwork, match="60000 items, and at most 256") as caught:
        parse_nad(nad(ipam={"type": "pools", "ippools": ["p"] * 60000}), REGISTRY, Limits(text_bytes=1 << 20))
    assert caught.value.path == "$.ipam.ippools"
    assert caught.value.subject == "NetworkAttachmentDefinition default/blue"
    with pytest.raises(InvalidNetwork, match="17 items"):
        parse_config(NetworkRef(namespace="", name="x"), CONFIG | {"x": [0] * 17}, REGISTRY, FEW)


def test_a_config_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(InvalidNetwork, match="longer than 1024 bytes") as caught:
        parse_nad({"metadata": {"name": "blue"}, "spec": {"config": "{" + " " * 1024}}, REGISTRY, FEW)
    assert "limits.textBytes" in caught.value.hint


def test_the_networks_of_other_plugins_have_no_limits_of_ours_on_their_lists() -> None:
    other = {"metadata": {"name": "blue"}, "spec": {"config": json.dumps({"type": "bridge", "x": [0] * 17})}}
    assert parse_nad(other, REGISTRY, FEW) is None
