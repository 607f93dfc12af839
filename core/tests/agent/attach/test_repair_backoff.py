"""How often the same drift may be repaired."""

from __future__ import annotations

import pytest
from secnet.agent.attach.repair_backoff import RepairBackoff
from secnet.contract import AttachmentId, Finding

KEY = AttachmentId(container_id="c1", ifname="eth1")
MISSING, DOWN = (Finding(code=code, message=code) for code in ("PortMissing", "HostLinkDown"))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backoff(clock: Clock) -> RepairBackoff:
    return RepairBackoff(clock)


def test_three_repairs_at_once_and_then_after_longer_and_longer(clock: Clock, backoff: RepairBackoff) -> None:
    waits = []
    for _ in range(9):
        waits.append(backoff.wait(KEY, [MISSING]))
        clock.now += waits[-1]
        backoff.note(KEY, [MISSING])
    assert waits == [0, 0, 0, 60, 120, 240, 480, 900, 900]
    assert backoff.count(KEY, [MISSING]) == 9


def test_other_drift_a_long_time_and_the_end_of_the_attachment_begin_a_new_count(
    clock: Clock, backoff: RepairBackoff
) -> None:
    for _ in range(4):
        backoff.note(KEY, [MISSING])
    assert backoff.wait(KEY, [MISSING]) > 0
    assert backoff.wait(KEY, [MISSING, DOWN]) == 0
    clock.now += 1801
    assert backoff.wait(KEY, [MISSING]) == 0
    for _ in range(4):
        backoff.note(KEY, [MISSING])
    backoff.forget(KEY)
    assert backoff.wait(KEY, [MISSING]) == 0
