"""The back-off between two tries."""

from __future__ import annotations

import random

from secnet.contract import Call
from secnet_ipam.call import pause


class Noting(Call):
    """Notes how long it was to sleep: the length is the outcome here, and sleeping it would only cost time."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_pauses_differ_grow_and_stay_bounded() -> None:
    call, rng = Noting(), random.Random(1)
    for attempt in range(40):
        for _ in range(50):
            pause(call, attempt, rng)
    rounds = [call.slept[start : start + 50] for start in range(0, 2000, 50)]
    assert all(len(set(one)) == 50 for one in rounds)
    assert max(rounds[0]) <= 0.01 < max(rounds[3]) <= 0.08 < max(rounds[-1]) <= 0.5
