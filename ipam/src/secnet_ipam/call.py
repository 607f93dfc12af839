"""Time for one allocation or release: back-off between tries, and time to undo after the deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from secnet.contract import Call

__all__ = ["Undo", "pause"]

_FIRST_PAUSE = 0.01
_LAST_PAUSE = 0.5
_UNDO_SECONDS = 5.0


def pause(call: Call, attempt: int, rng: random.Random) -> None:
    """Sleep before try number `attempt` + 1. Anything up to the bound, so that writers who met once do not meet again."""
    call.sleep(rng.uniform(0, min(_LAST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, 16))))


class Undo(Call):
    """A call of its own for taking back: the deadline or the cancellation that ended the work must not end the undoing."""

    def __init__(self, call: Call) -> None:
        super().__init__(deadline=time.monotonic() + _UNDO_SECONDS, log=call.log)
        self._call = call

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[None]:
        """A step of the call that is being undone: its observers see it."""
        with self._call.step(name, **facts):
            yield
