"""Each sample plugin fails the tests of its fault and no other: a kit failing less misses faults, one failing more is noisy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kit, pytest.mark.timeout(900)]

RIGHT = ("Pair", "List")
WRONG: Mapping[str, list[str]] = tomllib.loads((Path(__file__).parent / "samples/failing.toml").read_text())


def test_every_sample_has_its_list(failing: Mapping[str, frozenset[str]]) -> None:
    assert sorted(failing) == sorted(f"Test{name}" for name in [*RIGHT, *WRONG])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_plugin_passes_everything(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert failing[f"Test{name}"] == frozenset()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plugin_fails_exactly_these(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert sorted(failing[f"Test{name}"]) == sorted(f"test_{test}" for test in WRONG[name])
