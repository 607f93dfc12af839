"""How long to wait before what another program took out is written again."""

from __future__ import annotations

import pytest
from secnet.agent.cni._rewrites import Rewrites


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def contested(clock: Clock) -> Rewrites:
    rewrites = Rewrites(clock)
    while not rewrites.is_contest:
        assert rewrites.missing() == 0.0
        rewrites.wrote()
    return rewrites


def test_the_first_writes_are_made_at_once(clock: Clock) -> None:
    rewrites = contested(clock)
    assert rewrites.missing() == 1.0


def test_the_wait_grows_and_counts_from_the_last_write(clock: Clock) -> None:
    rewrites = contested(clock)
    clock.now += 0.5
    assert rewrites.missing() == 0.5
    clock.now += 0.5
    assert rewrites.missing() == 0.0
    rewrites.wrote()
    assert rewrites.missing() == 2.0


@pytest.mark.parametrize("seen", [True, False])
def test_an_entry_that_stood_ends_the_contest(clock: Clock, seen: bool) -> None:
    rewrites = contested(clock)
    clock.now += 20.0
    if seen:
        rewrites.stands()
    assert rewrites.missing() == 0.0
    rewrites.wrote()
    assert not rewrites.is_contest


def test_an_entry_that_stands_for_a_moment_ends_nothing(clock: Clock) -> None:
    rewrites = contested(clock)
    clock.now += 5.0
    rewrites.stands()
    assert rewrites.is_contest
