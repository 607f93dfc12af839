"""The NAD that a plugin's page ends with: whole, valid, and of network types that are installed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from secnet.agent.cli.plugin_page import nad_example, print_page
from secnet.agent.nad import RESOURCE_ANNOTATION, examine_nad
from secnet.agent.registry import Registry
from secnet_testing.sample_plugins import sample_entry_points


def only(*drivers: str) -> Registry:
    """The sample backend, and these of the sample drivers."""

    def source(group: str) -> Iterable[EntryPoint]:
        return [item for item in sample_entry_points(group) if group == "secnet.ipam" or item.name in drivers]

    return Registry.load(source)


def config_of(nad: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(nad["spec"]["config"])
    return config


def no_problems(nad: dict[str, Any], registry: Registry) -> bool:
    config, problems = examine_nad(nad, registry)
    return config is not None and not problems


@pytest.mark.parametrize(("drivers", "chosen"), [(["vlan", "slot"], "vlan"), (["vlan"], "vlan"), (["slot"], "slot")])
def test_a_backend_is_shown_with_a_driver_that_is_installed(drivers: list[str], chosen: str) -> None:
    registry = only(*drivers)
    nad = nad_example(registry.backends["pools"], registry)
    assert config_of(nad)["networkType"] == chosen
    assert config_of(nad)["ipam"] == {"type": "pools", "ippools": ["pool1"]}
    assert no_problems(nad, registry)


def test_without_any_driver_the_example_says_what_to_fill_in(capsys: pytest.CaptureFixture[str]) -> None:
    registry = only()
    nad = nad_example(registry.backends["pools"], registry)
    assert not no_problems(nad, registry)
    print_page(FACTS | {"example": nad})
    assert "# No network type is installed: put one in place of the capitals below.\n" in capsys.readouterr().out


def test_a_driver_of_devices_is_shown_with_the_resource_of_its_devices() -> None:
    registry = only("slot")
    nad = nad_example(registry.drivers["slot"], registry)
    assert nad["metadata"]["annotations"] == {RESOURCE_ANNOTATION: "example.com/slot"}
    assert no_problems(nad, registry)
    del nad["metadata"]["annotations"]
    assert not no_problems(nad, registry)


FACTS: dict[str, Any] = {
    "kind": "ipam",
    "name": "pools",
    "summary": "pools",
    "distribution": "d",
    "version": "1",
    "contract": 1,
    "state": "ready",
    "capabilities": [],
    "phase": "after_link",
    "kinds": [],
    "allocates": False,
    "options": {},
    "keys": [],
    "coreKeys": ["name"],
}


def test_a_backend_without_keys_capabilities_or_objects_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    registry = only("vlan")
    print_page(FACTS | {"example": nad_example(registry.backends["pools"], registry)})
    text = capsys.readouterr().out
    for words in (
        "when the interface is up; nothing is recorded",
        "none in the cluster",
        "no optional request",
        ": none.",
    ):
        assert words in text
