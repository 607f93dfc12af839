"""Back-off between the tries of one allocation or release."""

from __future__ import annotations

import random

from secnet.contract import Call

__all__ = ["pause"]

_FIRST_PAUSE = 0.01
_LAST_PAUSE = 0.5


def pause(call: Call, attempt: int, rng: random.Random) -> None:
    """Sleep before try number `attempt` + 1. Anything up to the bound, so that writers who met once do not meet again."""
    call.sleep(rng.uniform(0, min(_LAST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, 16))))
