"""Which wrong samples of the conformance kit a run takes. A pytest plugin; the root conftest.py loads it.

Each run takes samples enough that every rule (a test of the kit) is seen to fail, and a tenth of the rest, another one with
each seed: ten seeds in a row take every sample. `--all` takes all. A person who picks samples, with -k or as an argument, gets
just these.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

import pytest

__all__ = ["TURNS", "Choice", "choose", "cover", "seed_of"]

TURNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a run takes. proofs: these samples together fail every rule. turn: those that the seed adds. rest: how many are
    left, of which `turn` is a tenth."""

    seed: int
    proofs: tuple[str, ...]
    turn: tuple[str, ...]
    rest: int

    @property
    def names(self) -> frozenset[str]:
        """All samples of the run."""
        return frozenset((*self.proofs, *self.turn))

    @property
    def line(self) -> str:
        """The choice in one line, with the seed that repeats it."""
        return (
            f"wrong samples: {len(self.proofs)} that fail every rule, and {len(self.turn)} of the other {self.rest} "
            f"(ARGS='--seed {self.seed}' takes the same, ARGS=--all takes all)"
        )


def choose(rules: Mapping[str, Collection[Hashable]], seed: int) -> Choice:
    """The samples of a run. rules: of each sample the rules that it fails. The same arguments give the same choice."""
    proofs = cover(rules)
    rest = sorted(rules.keys() - set(proofs))
    return Choice(seed=seed, proofs=proofs, turn=tuple(rest[seed % TURNS :: TURNS]), rest=len(rest))


def cover(rules: Mapping[str, Collection[Hashable]]) -> tuple[str, ...]:
    """Samples that together fail every rule; few, though not the fewest possible. Names decide between equals."""
    open_rules = {rule for each in rules.values() for rule in each}
    chosen: list[str] = []
    while open_rules:
        best = min(rules, key=lambda name: (-len(open_rules.intersection(rules[name])), name))
        chosen.append(best)
        open_rules.difference_update(rules[best])
    return tuple(sorted(chosen))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("wrong samples of the conformance kit")
    group.addoption(
        "--seed",
        type=int,
        metavar="NUMBER",
        help="which tenth of the samples that prove no further rule runs [the date's number of days]",
    )
    group.addoption("--all", action="store_true", help="run every sample")


def seed_of(config: pytest.Config) -> int:
    """The seed of this run: the option's, or another one each day."""
    given: int | None = config.getoption("seed")
    return datetime.datetime.now(datetime.UTC).date().toordinal() if given is None else given
