"""Which wrong samples of the conformance kit a run takes, and how much of each. A pytest plugin; the root conftest.py loads it.

Each run sees every rule (a test of the kit) fail, for one sample; of that sample it runs no other rule. A tenth of the samples
runs whole, another tenth with each seed: ten seeds in a row take every sample. `--all` takes all of them, whole. A person who
picks samples, with -k or as an argument, gets just these.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

__all__ = ["TURNS", "Choice", "choose", "cover", "seed_of"]

TURNS = 10
Rule = TypeVar("Rule", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[Rule]):
    """What a run takes. proofs: of each sample here the rules that it must fail. turn: samples that run whole."""

    seed: int
    proofs: Mapping[str, frozenset[Rule]]
    turn: tuple[str, ...]

    @property
    def line(self) -> str:
        """The choice in one line, with the seed that repeats it."""
        rules = sum(map(len, self.proofs.values()))
        return (
            f"wrong samples: {len(self.proofs)} of which each of {rules} rules fails one, and {len(self.turn)} whole "
            f"(ARGS='--seed {self.seed}' takes the same, ARGS=--all takes all, whole)"
        )


def choose(rules: Mapping[str, Collection[Rule]], seed: int) -> Choice[Rule]:
    """The samples of a run. rules: of each sample the rules that it fails. The same arguments give the same choice."""
    return Choice(seed=seed, proofs=cover(rules), turn=tuple(sorted(rules)[seed % TURNS :: TURNS]))


def cover(rules: Mapping[str, Collection[Rule]]) -> dict[str, frozenset[Rule]]:
    """Each rule once, by the sample that fails it. Few samples, though not the fewest possible; names decide between equals."""
    unseen = {rule for each in rules.values() for rule in each}
    chosen: dict[str, frozenset[Rule]] = {}
    while unseen:
        best = min(rules, key=lambda name: (-len(unseen.intersection(rules[name])), name))
        chosen[best] = frozenset(unseen.intersection(rules[best]))
        unseen -= chosen[best]
    return chosen


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("wrong samples of the conformance kit")
    group.addoption(
        "--seed",
        type=int,
        metavar="NUMBER",
        help="which tenth of the samples runs whole, which third of the kill points is tried [the date's number of days]",
    )
    group.addoption("--all", action="store_true", help="run every sample, whole, and every kill point")


def seed_of(config: pytest.Config) -> int:
    """The seed of this run: the option's, or another one each day."""
    given: int | None = config.getoption("seed")
    return datetime.datetime.now(datetime.UTC).date().toordinal() if given is None else given
