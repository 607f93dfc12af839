"""Keys of a driver's section at other places of the node configuration: the core knows none of them by itself."""

from __future__ import annotations

import dataclasses
from typing import Any

from secnet.agent.config.aliases import Aliases
from secnet.agent.config.examine import examine_settings, node_schema, settings_keys
from secnet.agent.plugins.registry import Registry
from secnet.contract import load_fragment, thaw
from secnet_testing.sample_plugins import sample_entry_points

CORE = load_fragment("secnet.agent.config", "node.json")
INSTALLED = Registry.load(sample_entry_points)


def declaring(**aliases: dict[str, str]) -> Registry:
    """The sample driver under these names, each with these aliases."""
    plugin = INSTALLED.drivers["vlan"]
    drivers = {
        name: dataclasses.replace(plugin, name=name, info=dataclasses.replace(plugin.info, node_aliases=found))
        for name, found in aliases.items()
    }
    return dataclasses.replace(INSTALLED, drivers=drivers)


def problems(registry: Registry, **data: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in examine_settings(data, registry)]


def test_without_drivers_the_core_has_its_own_keys_only() -> None:
    assert node_schema(Registry()) == thaw(CORE)
    assert not {"ovsBridges", "secondaryNetwork", "datapathType"} & settings_keys(Registry())


def test_a_driver_may_declare_any_place() -> None:
    registry = declaring(wire={"wires.local.bridges": "ovsBridges"})
    bridges = [{"bridgeName": "br1"}]
    data = {"wires": {"local": {"bridges": bridges}}}
    assert examine_settings(data, registry) == []
    assert Aliases(registry, CORE).sections(data) == {"wire": {"ovsBridges": bridges}}
    assert "wires" in settings_keys(registry)


def test_a_fault_is_at_the_place_where_it_was_written() -> None:
    registry = declaring(wire={"bridges": "ovsBridges"})
    assert problems(registry, bridges=[{}])[0][0] == "$.bridges[0].bridgeName"
    assert problems(registry, drivers={"wire": {"ovsBridges": [{}]}})[0][0] == "$.drivers.wire.ovsBridges[0].bridgeName"
    assert problems(registry, bridges=[], drivers={"wire": {"ovsBridges2": 1}})[0][0] == "$.drivers.wire.ovsBridges2"


def test_a_key_of_the_core_is_no_alias() -> None:
    registry = declaring(wire={"nodeName": "ovsBridges"})
    assert problems(registry, nodeName="n1") == []
    assert Aliases(registry, CORE).sections({"nodeName": "n1"}) == {}


def test_a_place_that_two_drivers_claim_is_refused_once_it_is_used() -> None:
    registry = declaring(one={"bridges": "ovsBridges"}, two={"bridges": "ovsBridges"})
    assert problems(registry) == []
    assert problems(registry, bridges=[]) == [
        ("$.bridges", "it may mean $.drivers.one.ovsBridges and $.drivers.two.ovsBridges")
    ]
