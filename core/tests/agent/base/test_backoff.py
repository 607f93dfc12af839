"""The delays between attempts."""

from __future__ import annotations

import random

import pytest
from secnet.agent.base.backoff import Backoff


def test_delays_double_up_to_the_longest_and_begin_again_after_a_reset() -> None:
    backoff = Backoff(1.0, 15.0, jitter=0)
    assert [backoff.delay() for _ in range(7)] == [1, 2, 4, 8, 15, 15, 15]
    backoff.reset()
    assert [backoff.delay(), backoff.delay()] == [1, 2]


def test_the_factor_and_the_longest_bound_every_delay() -> None:
    backoff = Backoff(0.1, 5.0, factor=10, jitter=0)
    assert [backoff.after(failures) for failures in (1, 2, 3, 10**6)] == [0.1, 1.0, 5.0, 5.0]


def test_after_counts_nothing() -> None:
    backoff = Backoff(1.0, 15.0, jitter=0)
    assert backoff.after(3) == 4
    assert backoff.delay() == 1


@pytest.mark.parametrize("jitter", [0.2, 0.5])
def test_jitter_shortens_by_at_most_its_share_and_lengthens_none(jitter: float) -> None:
    backoff, rng = Backoff(1.0, 60.0, jitter=jitter), random.Random(1)
    delays = [backoff.after(20, rng) for _ in range(200)]
    assert all(60 * (1 - jitter) <= delay <= 60 for delay in delays)
    assert max(delays) - min(delays) > 60 * jitter / 2
    assert len(set(delays)) > 100
