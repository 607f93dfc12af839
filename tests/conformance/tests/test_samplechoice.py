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
def test_every_rule_is_failed_by_a_sample_of_the_run(rules: dict[str, frozenset[int]], seed: int) -> None:
    choice = choose(rules, seed)
    assert frozenset().union(*(rules[name] for name in choice.proofs)) == frozenset().union(*rules.values())


@given(RULES, st.integers())
def test_ten_seeds_in_a_row_take_every_sample_and_none_of_the_rest_twice(
    rules: dict[str, frozenset[int]], first: int
) -> None:
    choices = [choose(rules, seed) for seed in range(first, first + TURNS)]
    turns = [name for choice in choices for name in choice.turn]
    assert len(turns) == len(set(turns))
    assert set(turns) | set(choices[0].proofs) == rules.keys()
    assert set(turns).isdisjoint(choices[0].proofs)


@given(RULES, st.integers())
def test_a_turn_is_a_tenth_of_the_rest(rules: dict[str, frozenset[int]], seed: int) -> None:
    choice = choose(rules, seed)
    assert choice.rest == len(rules) - len(choice.proofs)
    assert choice.rest // TURNS <= len(choice.turn) <= -(-choice.rest // TURNS)


@given(RULES, st.integers())
def test_the_order_of_the_samples_changes_nothing(rules: dict[str, frozenset[int]], seed: int) -> None:
    assert choose(rules, seed) == choose(dict(reversed(rules.items())), seed)


def test_a_sample_that_fails_much_serves_for_those_that_fail_less() -> None:
    assert cover({"a": {1}, "b": {1, 2, 3}, "c": {3}, "d": {4}}) == ("b", "d")


def test_the_line_names_the_seed() -> None:
    assert "'--seed 17'" in choose({"a": {1}, "b": {1}}, 17).line


def test_a_seed_that_is_given_is_taken(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "secnet_testing.samplechoice", "--seed", "4")
    assert seed_of(config) == 4


def _collected(*args: str) -> tuple[set[str], str]:
    """The wrong samples of a run, and what pytest printed."""
    argv = [sys.executable, "-m", "pytest", "-m", "kit", "--collect-only", "-q", *args, "test_samples.py"]
    done = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=True, timeout=120)
    return set(re.findall(r"fails_exactly_these\[(\w+)\]", done.stdout)), done.stdout


def test_a_run_takes_the_samples_of_its_seed_and_who_picks_one_gets_it() -> None:
    taken, printed = _collected("--seed", "3")
    assert "--seed 3" in printed
    every, printed = _collected("--all")
    assert every == WRONG.keys() > taken
    assert "--seed" not in printed
    left_out = min(every - taken)
    assert _collected("--seed", "3", "-k", f"[{left_out}]")[0] == {left_out}
