"""Which wrong samples a run takes: every rule each time, and in ten seeds every sample."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secnet_testing.samplechoice import TURNS, choose, cover, seed_of

from .conftest import WRONG

HERE = Path(__file__).parent

RULES = st.dictionaries(st.text("abcdef", min_size=1), st.frozensets(st.integers(0, 30), min_size=1), max_size=40)


@given(RULES, st.integers())
def test_every_rule_is_proved_once_by_a_sample_that_fails_it(rules: dict[str, frozenset[int]], seed: int) -> None:
    proofs = choose(rules, seed).proofs
    proved = [rule for found in proofs.values() for rule in found]
    assert sorted(proved) == sorted(frozenset().union(*rules.values()))
    assert all(found and found <= rules[name] for name, found in proofs.items())


@given(RULES, st.integers())
def test_ten_seeds_in_a_row_take_every_sample_once(rules: dict[str, frozenset[int]], first: int) -> None:
    turns = [name for seed in range(first, first + TURNS) for name in choose(rules, seed).turn]
    assert sorted(turns) == sorted(rules)


@given(RULES, st.integers())
def test_a_turn_is_a_tenth(rules: dict[str, frozenset[int]], seed: int) -> None:
    assert len(rules) // TURNS <= len(choose(rules, seed).turn) <= -(-len(rules) // TURNS)


@given(RULES, st.integers())
def test_the_order_of_the_samples_changes_nothing(rules: dict[str, frozenset[int]], seed: int) -> None:
    assert choose(rules, seed) == choose(dict(reversed(rules.items())), seed)


def test_a_sample_that_fails_much_serves_for_those_that_fail_less() -> None:
    assert cover({"a": {1}, "b": {1, 2, 3}, "c": {3}, "d": {3, 4}}) == {"b": {1, 2, 3}, "d": {4}}


def test_the_line_names_the_seed() -> None:
    assert "'--seed 17'" in choose({"a": {1}, "b": {1}}, 17).line


def test_a_seed_that_is_given_is_taken(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "secnet_testing.samplechoice", "--seed", "4")
    assert seed_of(config) == 4


def _collected(*args: str) -> tuple[set[str], set[str], str]:
    """The wrong samples that run whole, those that prove rules, and what pytest printed."""
    argv = [sys.executable, "-m", "pytest", "-m", "kit", "--collect-only", "-q", *args, "test_samples.py"]
    printed = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=True, timeout=120).stdout
    whole, proofs = (
        set(re.findall(rf"{test}\[(\w+)\]", printed)) for test in ("fails_exactly_these", "fails_its_rules")
    )
    return whole, proofs, printed


def test_a_run_takes_the_samples_of_its_seed_or_all() -> None:
    whole, proofs, printed = _collected("--seed", "3")
    assert "--seed 3" in printed
    assert whole == set(sorted(WRONG)[3::TURNS])
    assert proofs < WRONG.keys()
    assert _collected("--all")[:2] == (WRONG.keys(), set())
