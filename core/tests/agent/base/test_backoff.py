"""Delays that grow, within bounds."""

from __future__ import annotations

from secnet.agent.base.backoff import Backoff


def test_delays_double_up_to_the_last_and_begin_again_after_a_success() -> None:
    backoff = Backoff(first=1.0, last=8.0)
    for longest in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert longest / 2 <= backoff.delay() <= longest
    backoff.reset()
    assert backoff.delay() <= 1.0


def test_agents_that_begin_together_do_not_stay_together() -> None:
    assert len({Backoff().delay() for _ in range(20)}) > 1
