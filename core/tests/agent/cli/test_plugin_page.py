"""The NAD that a plugin's page ends with: whole, valid, and of network types that are installed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.cli._plugin_page import nad_example, print_page
from secnet.agent.cli.program import main
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.config.settings import Settings
from secnet.agent.networks.nad import RESOURCE_ANNOTATION, examine_nad
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.plugins.registry import Registry
from secnet.contract import NetworkDriver, NotReady
from secnet_testing.sample_plugins import sample_entry_points


def only(*drivers: str) -> Registry:
    """The sample backend, and these of the sample drivers."""

    def source(group: str) -> Iterable[EntryPoint]:
        return [item for item in sample_entry_points(group) if group == "secnet.ipam" or item.name in drivers]

    return Registry.load(source)


def example(plugin: LoadedPlugin[Any], registry: Registry, *not_ready: str) -> dict[str, Any]:
    """The NAD where every plugin is ready but these."""

    class Some(Plugins):
        def driver(self, network_type: str) -> NetworkDriver:
            if network_type in not_ready:
                raise NotReady(f"{network_type} waits")
            return super().driver(network_type)

    return nad_example(plugin, registry, Some(registry, Settings(node_name="n"), FileStore(Path("/nonexistent"))))


def config_of(nad: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(nad["spec"]["config"])
    return config


def no_problems(nad: dict[str, Any], registry: Registry) -> bool:
    config, problems = examine_nad(nad, registry)
    return config is not None and not problems


@pytest.mark.parametrize(("drivers", "chosen"), [(["vlan", "slot"], "vlan"), (["vlan"], "vlan"), (["slot"], "slot")])
def test_a_backend_is_shown_with_a_driver_that_is_installed(drivers: list[str], chosen: str) -> None:
    registry = only(*drivers)
    nad = example(registry.backends["pools"], registry)
    assert config_of(nad)["networkType"] == chosen
    assert config_of(nad)["ipam"] == {"type": "pools", "ippools": ["pool1"]}
    assert no_problems(nad, registry)


@pytest.mark.parametrize(
    ("not_ready", "chosen"),
    [
        ([], "vlan"),
        (["vlan"], "bridge"),
        (["bridge"], "vlan"),
        (["vlan", "bridge"], "vlan"),
        (["vlan", "abc"], "bridge"),
    ],
)
def test_a_backend_is_shown_with_one_that_works_here(not_ready: list[str], chosen: str) -> None:
    registry = only("vlan", "slot")
    vlan, slot = registry.drivers["vlan"], registry.drivers["slot"]
    more = {"abc": dataclasses.replace(slot, name="abc"), "bridge": dataclasses.replace(vlan, name="bridge")}
    registry = dataclasses.replace(registry, drivers={**registry.drivers, **more})
    assert config_of(example(registry.backends["pools"], registry, *not_ready))["networkType"] == chosen


def test_a_name_of_another_kind_and_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers", "vlan", "--kind", "ipam", "--state-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert (
        "vlan is installed as a network type, not as an IPAM type; leave --kind out, or say --kind networkType" in said
    )
    with pytest.raises(SystemExit) as stopped:
        main(["drivers", "", "--state-dir", str(tmp_path)])
    assert stopped.value.code == 2
    assert "NAME is empty" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "near"), [("VLAN", "vlan"), ("statik", "static")])
def test_a_mistyped_name_shows_the_nearest(
    name: str, near: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drivers", name, "--state-dir", str(tmp_path)]) == 1
    assert f"did you mean '{near}'?" in capsys.readouterr().err


def test_without_any_driver_the_example_says_what_to_fill_in(capsys: pytest.CaptureFixture[str]) -> None:
    registry = only()
    nad = example(registry.backends["pools"], registry)
    assert not no_problems(nad, registry)
    print_page(FACTS | {"example": nad})
    assert (
        "# No network type that can be used is installed: put one in place of the capitals below.\n"
        in capsys.readouterr().out
    )


def test_a_driver_of_devices_is_shown_with_the_resource_of_its_devices() -> None:
    registry = only("slot")
    nad = example(registry.drivers["slot"], registry)
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
    "needs": {"link_kinds": ["veth"], "programs": []},
    "node": {},
    "nodeKeys": [],
    "phase": "after_link",
    "kinds": [],
    "allocates": False,
    "options": {},
    "keys": [],
    "coreKeys": ["name"],
}


def test_a_backend_without_keys_capabilities_or_objects_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    registry = only("vlan")
    print_page(FACTS | {"example": example(registry.backends["pools"], registry)})
    text = capsys.readouterr().out
    for words in (
        "when the interface is up; nothing is recorded",
        "none in the cluster",
        "link kinds veth",
        "no optional request",
        ": none.",
    ):
        assert words in text
