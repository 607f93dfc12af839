"""Each sample plugin fails the tests of its fault and no other: a kit failing less misses faults, one failing more is noisy.

A run takes some of the wrong samples, see `secnet_testing.samplechoice`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence

import pytest
from secnet_conformance import BackendSuite, DriverSuite
from secnet_conformance.suite import Suite

from .conftest import SAMPLES, WRONG, rule, rules_of

pytestmark = [pytest.mark.kit, pytest.mark.timeout(3600)]

RIGHT = ("Pair", "List", "Bridged", "Locked")
ELSEWHERE: Mapping[str, Mapping[str, str]] = tomllib.loads((SAMPLES / "elsewhere.toml").read_text())
"""Module of the kit -> its tests that no sample fails -> what shows that they can fail."""

SMOKE = "BadDetails"
EXCUSED = {(module, test) for module, tests in ELSEWHERE.items() for test in tests}
SUITES = (BackendSuite, DriverSuite)
"""Each test of these must have a wrong plugin."""


def names_of(suite: type[Suite]) -> list[str]:
    """The names of a suite's tests, without `test_`."""
    return [name.removeprefix("test_") for name in dir(suite) if name.startswith("test_")]


def test_every_sample_has_its_list(collected: Mapping[str, str]) -> None:
    assert sorted(collected) == sorted(f"Test{name}" for name in [*RIGHT, *WRONG])


@pytest.mark.parametrize("sample", RIGHT)
def test_a_right_plugin_passes_everything(failing: Mapping[str, frozenset[str]], sample: str) -> None:
    assert failing[f"Test{sample}"] == frozenset()


@pytest.mark.parametrize("sample", WRONG)
def test_a_wrong_plugin_fails_exactly_these(failing: Mapping[str, frozenset[str]], sample: str) -> None:
    assert sorted(failing[f"Test{sample}"]) == sorted(f"test_{test}" for test in WRONG[sample])


@pytest.mark.parametrize(
    "sample", [pytest.param(name, marks=pytest.mark.smoke if name == SMOKE else ()) for name in WRONG]
)
def test_a_wrong_plugin_fails_its_rules(
    failing: Mapping[str, frozenset[str]], proofs: Mapping[str, Sequence[str]], sample: str
) -> None:
    """Of a sample that does not run whole: each rule that no other sample proves in this run."""
    missed = {f"test_{test}" for test in proofs[sample]} - failing[f"Test{sample}"]
    assert not missed


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_of_the_kit_can_fail(suites: Mapping[str, type[Suite]], suite: type[Suite]) -> None:
    """A test that no wrong plugin fails could be emptied unnoticed."""
    failed = set().union(*rules_of(suites).values())
    unproved = sorted({rule(suite, test) for test in names_of(suite)} - failed - EXCUSED)
    assert not unproved, (
        f"no sample fails {unproved}: write one, or say in elsewhere.toml what shows that they can fail"
    )


def test_nothing_is_excused_that_a_sample_fails_or_that_is_gone(suites: Mapping[str, type[Suite]]) -> None:
    failed = set().union(*rules_of(suites).values())
    known = {rule(suite, test) for suite in suites.values() for test in names_of(suite)}
    assert not EXCUSED & failed, "a sample fails it: take it out of elsewhere.toml"
    assert not EXCUSED - known, "the kit has no such test: take it out of elsewhere.toml"
