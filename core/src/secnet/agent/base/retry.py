"""When to try again: the one place that decides it. Drivers and backends only classify."""

from __future__ import annotations

import random

from secnet.contract import Cancelled, ContractViolation, ErrorInfo, Gone, MissingPrivilege

from .backoff import Backoff

__all__ = ["FIRST_DELAY", "LAST_DELAY", "next_delay"]

FIRST_DELAY = 0.5
LAST_DELAY = 60.0

_BACKOFF = Backoff(FIRST_DELAY, LAST_DELAY, jitter=0.2)
_STOP = {Gone.__name__, Cancelled.__name__}
_SLOW = {ContractViolation.__name__, MissingPrivilege.__name__}


def next_delay(error: ErrorInfo, attempts: int, *, jitter: random.Random | None = None) -> float | None:
    """Seconds until the next attempt after `attempts` failed ones, or None when only a change of the input helps.

    Retryable errors: 0.5 s doubling to 60 s, each shortened by up to a fifth so that Pods failing together spread out.
    A broken plugin (ContractViolation) is tried again at the slowest pace: the cause may be one odd input. So is what lacked a
    right (MissingPrivilege): there is no notification when it is granted.
    """
    if error.reason in _STOP:
        return None
    if error.reason in _SLOW:
        return LAST_DELAY
    if not error.retryable:
        return None
    return _BACKOFF.after(attempts, jitter)
