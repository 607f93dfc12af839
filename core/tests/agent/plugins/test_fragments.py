"""What a plugin must fulfil in what it says of itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from secnet.agent.plugins.fragments import backend_faults, driver_faults
from secnet.contract import BackendInfo, DriverInfo
from secnet_testing.sample_plugins import PoolBackend, WireDriver

OPTION = {"title": "Mode", "description": "Which mode", "type": "string", "examples": ["fast"]}
GOOD: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {"mode": OPTION},
}


def faults(options: Any = GOOD, **info: Any) -> list[str]:
    return list(driver_faults(DriverInfo(network_type="toy", summary="", options=options, **info)))


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(GOOD) | changes


def test_good_descriptions_have_no_faults() -> None:
    assert faults() == []
    assert list(driver_faults(WireDriver.describe())) == []
    assert list(backend_faults(PoolBackend.describe())) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (changed(type="strin"), "options: "),
        (changed(additionalProperties=True), "is open"),
        (changed(properties={"mode": {"type": "string"}}), "has no title, description, examples"),
        (changed(properties={"mtu": OPTION}), "the key mtu belongs to the core"),
        (changed(properties={"mode": OPTION | {"examples": [5]}}), "an example of mode is refused"),
    ],
)
def test_each_fault_is_named(options: Any, words: str) -> None:
    assert any(words in fault for fault in faults(options)), faults(options)


def test_capabilities_vlans_examples_and_phases() -> None:
    assert "unknown flying" in faults(capabilities=frozenset({"flying"}))[0]
    assert faults(vlan=True) == ["options: the type knows VLANs, but has no integer option vlan"]
    assert "the example of the description is refused" in faults(example={"mode": 5})[0]
    late = BackendInfo(ipam_type="pool", summary="", phase="later")
    assert any("phase: 'later'" in fault for fault in backend_faults(late))
