"""Everything wrong with a node configuration of several files, each with its file."""

from __future__ import annotations

from typing import Any

from secnet.agent.config.examine import FileProblem, examine_layers
from secnet.agent.config.layers import Layer
from secnet.agent.plugins.registry import Registry
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)


def examine(*layers: dict[str, Any]) -> list[FileProblem]:
    """The layers are called 0, 1 and so on, the lowest first."""
    return examine_layers([Layer(file=str(number), data=data) for number, data in enumerate(layers)], REGISTRY)


def places(found: list[FileProblem]) -> set[tuple[str, str, bool]]:
    return {(each.file, each.problem.path, each.note) for each in found}


def test_every_problem_has_the_file_that_gives_the_value() -> None:
    found = examine({"log": {"level": "loud", "format": "xml"}}, {"log": {"format": "json", "colour": True}})
    assert places(found) == {("0", "$.log.level", False), ("1", "$.log.colour", False)}


def test_what_a_higher_layer_replaces_is_no_problem() -> None:
    assert examine({"log": {"level": "loud"}}, {"log": {"level": "info"}}) == []


def test_notes_only_where_nothing_is_wrong() -> None:
    noted = {"featureGates": {"SecondaryNetwork": True}}
    assert places(examine(noted, {})) == {("0", "$.featureGates.SecondaryNetwork", True)}
    assert places(examine(noted, {"log": 5})) == {("1", "$.log", False)}


def test_a_group_is_examined_over_the_rest() -> None:
    group = {"selector": {"matchLabels": {"a": "b"}}, "drivers": {"vlan": {"ovsBridges": [{}]}}}
    rest = {"kubernetes": {}, "ovsBridges": [{"bridgeName": "br1"}]}
    found = examine(rest, {"nodeGroups": {"g": group}})
    assert places(found) == {("1", "$.nodeGroups.g.drivers.vlan.ovsBridges[0].bridgeName", False)}
    assert examine(rest, {"nodeGroups": {"g": {**group, "drivers": {"vlan": {"ovsBridges": []}}}}}) == []
