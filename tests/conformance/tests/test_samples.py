"""Each sample plugin fails the tests of its fault and no other: a kit failing less misses faults, one failing more is noisy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from secnet_conformance import BackendSuite, DriverSuite
from secnet_conformance.suite import Suite, group_of

pytestmark = [pytest.mark.kit, pytest.mark.timeout(3600)]

RIGHT = ("Pair", "List", "Bridged", "Locked")
SAMPLES = Path(__file__).parent / "samples"
WRONG: Mapping[str, list[str]] = tomllib.loads((SAMPLES / "failing.toml").read_text())
ELSEWHERE: Mapping[str, Mapping[str, str]] = tomllib.loads((SAMPLES / "elsewhere.toml").read_text())
"""Module of the kit -> its tests that no sample fails -> what shows that they can fail."""

SUITES = (BackendSuite, DriverSuite)
"""Each test of these must have a wrong plugin."""


def owner(suite: type[Suite], test: str) -> str:
    """Where a test of a suite is written, within the kit."""
    return group_of(suite, test).__module__.removeprefix("secnet_conformance.")


def test_every_sample_has_its_list(failing: Mapping[str, frozenset[str]]) -> None:
    assert sorted(failing) == sorted(f"Test{name}" for name in [*RIGHT, *WRONG])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_plugin_passes_everything(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert failing[f"Test{name}"] == frozenset()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plugin_fails_exactly_these(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert sorted(failing[f"Test{name}"]) == sorted(f"test_{test}" for test in WRONG[name])


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_of_the_kit_can_fail(suites: Mapping[str, type[Suite]], suite: type[Suite]) -> None:
    """A test that no wrong plugin fails could be emptied, and nobody would see it."""
    failed = {(owner(suites[f"Test{name}"], f"test_{test}"), test) for name, tests in WRONG.items() for test in tests}
    excused = {(module, test) for module, tests in ELSEWHERE.items() for test in tests}
    ours = {(owner(suite, name), name.removeprefix("test_")) for name in dir(suite) if name.startswith("test_")}
    unproved = sorted(ours - failed - excused)
    assert not unproved, (
        f"no sample fails {unproved}: write one, or say in elsewhere.toml what shows that they can fail"
    )


def test_nothing_is_excused_that_a_sample_fails_or_that_is_gone(suites: Mapping[str, type[Suite]]) -> None:
    failed = {(owner(suites[f"Test{name}"], f"test_{test}"), test) for name, tests in WRONG.items() for test in tests}
    known = {
        (owner(suite, name), name.removeprefix("test_"))
        for suite in suites.values()
        for name in dir(suite)
        if name.startswith("test_")
    }
    excused = {(module, test) for module, tests in ELSEWHERE.items() for test in tests}
    assert not excused & failed, "a sample fails it: take it out of elsewhere.toml"
    assert not excused - known, "the kit has no such test: take it out of elsewhere.toml"
