"""The retry policy."""

import random

import pytest
from secnet.agent.base.retry import FIRST_DELAY, LAST_DELAY, next_delay
from secnet.contract import (
    Busy,
    Cancelled,
    Conflict,
    ContractViolation,
    Gone,
    MissingPrivilege,
    NotReady,
    Permanent,
    Retryable,
    SecnetError,
    Timeout,
)


class _NoJitter(random.Random):
    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("error", [Busy("x"), NotReady("x"), Timeout("x")])
def test_retryable_errors_double_up_to_the_limit(error: Retryable) -> None:
    delays = [next_delay(error.info, attempts, jitter=_NoJitter()) for attempts in range(1, 12)]
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LAST_DELAY


@pytest.mark.parametrize("error", [Conflict("x"), Permanent("x"), Gone("x"), Cancelled("x")])
def test_other_errors_wait_for_a_new_input(error: SecnetError) -> None:
    assert next_delay(error.info, 1) is None


@pytest.mark.parametrize("error", [ContractViolation("x"), MissingPrivilege("x")])
def test_a_broken_plugin_and_a_missing_right_are_tried_slowly(error: SecnetError) -> None:
    assert next_delay(error.info, 1) == LAST_DELAY


def test_jitter_shortens_by_at_most_a_fifth() -> None:
    rng = random.Random(1)
    delays = [next_delay(Busy("x").info, 20, jitter=rng) for _ in range(200)]
    assert all(delay is not None and 0.8 * LAST_DELAY <= delay <= LAST_DELAY for delay in delays)
    assert len(set(delays)) > 100
