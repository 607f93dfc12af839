"""Each sample plugin fails the tests of its fault and no other: a kit failing less misses faults, one failing more is noisy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from secnet_conformance import DriverSuite

pytestmark = [pytest.mark.kit, pytest.mark.timeout(900)]

RIGHT = ("Pair", "List", "Bridged")
WRONG: Mapping[str, list[str]] = tomllib.loads((Path(__file__).parent / "samples/failing.toml").read_text())

_PACKAGE = "the same test serves backends: its wrong samples are not drivers, or it is about the files of a project"
UNSHOWN: Mapping[str, str] = {
    "a_declared_capability_reaches_the_driver": "a test of the core, with what describe says",
    "an_undeclared_capability_is_unsupported": "a test of the core, with what describe says",
    "a_new_process_detaches_from_an_old_record": "samples have no released records; drivers/vlan has",
    "this_contract_version_has_its_records": "samples have no released records; drivers/vlan has",
    "importing_it_loads_neither_the_agent_nor_a_cluster_client": _PACKAGE,
    "it_is_still_not_ready": _PACKAGE,
    "no_other_entry_point_has_its_name": _PACKAGE,
    "the_case_is_sound": _PACKAGE,
    "the_case_says_all_that_is_due": _PACKAGE,
    "the_entry_point_loads_and_is_named_as_the_type": _PACKAGE,
    "the_node_configuration_of_the_case_is_valid": _PACKAGE,
}
"""Tests of a driver that no wrong sample fails, and why."""


def test_every_test_of_a_driver_has_a_sample_that_fails_it() -> None:
    """A test that no sample fails could be emptied, and nobody would see it."""
    tests = {name.removeprefix("test_") for name in dir(DriverSuite) if name.startswith("test_")}
    shown = {test for tests_of in WRONG.values() for test in tests_of}
    unshown = tests - shown
    assert sorted(unshown - set(UNSHOWN)) == [], "no wrong sample fails these"
    assert sorted(set(UNSHOWN) - tests) == [], "no such tests"


def test_every_sample_has_its_list(failing: Mapping[str, frozenset[str]]) -> None:
    assert sorted(failing) == sorted(f"Test{name}" for name in [*RIGHT, *WRONG])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_plugin_passes_everything(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert failing[f"Test{name}"] == frozenset()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plugin_fails_exactly_these(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert sorted(failing[f"Test{name}"]) == sorted(f"test_{test}" for test in WRONG[name])
