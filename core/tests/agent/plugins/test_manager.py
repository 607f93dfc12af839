"""One manager for each entry-point group: what cannot be used is a problem and takes no other away."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from secnet.agent.plugins._manager import DRIVERS, PluginManager
from secnet.agent.plugins.plugin import DRIVERS_GROUP
from secnet_testing.sample_plugins import sample_entry_points

SAMPLES = sample_entry_points(DRIVERS_GROUP)


def manager(*entry_points: EntryPoint) -> PluginManager:
    return PluginManager(DRIVERS, entry_points)


def test_usable_plugins_by_name() -> None:
    loaded = manager(*SAMPLES)
    assert sorted(loaded.usable) == ["slot", "vlan"]
    assert loaded.problems == ()


def test_one_that_cannot_be_imported_is_a_problem_and_no_other_is() -> None:
    loaded = manager(EntryPoint("broken", "no_such_module:Driver", DRIVERS_GROUP), *SAMPLES)
    assert sorted(loaded.usable) == ["slot", "vlan"]
    assert [problem.name for problem in loaded.problems] == ["broken"]
    assert "no_such_module" in loaded.problems[0].error.message


def test_of_two_of_one_name_neither_is_used() -> None:
    twice = [each for each in SAMPLES if each.name == "vlan"] * 2
    loaded = manager(*SAMPLES, *twice[:1])
    assert sorted(loaded.usable) == ["slot"]
    assert {problem.name for problem in loaded.problems} == {"vlan"}
    assert "more than once" in loaded.problems[0].error.message
