"""How often entries are put right that another writer keeps changing."""

from __future__ import annotations

import pytest
from secnet.agent.status._conflict_backoff import StatusConflictBackoff

KEY = ("default", "web")


def writes(backoff: StatusConflictBackoff, now: list[float], seconds: int, text: str = "a") -> int:
    """How often it may be written in a time with a try each tenth of a second."""
    count = 0
    for _ in range(seconds * 10):
        now[0] += 0.1
        if backoff.may_write(KEY, text):
            backoff.wrote(KEY, text)
            count += 1
    return count


def test_at_once_at_first_and_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    backoff = StatusConflictBackoff(lambda: now[0])
    first, second = writes(backoff, now, 60), writes(backoff, now, 60)
    assert second < first < 15
    assert caplog.text.count("another writer keeps changing") == 1


def test_a_new_text_may_be_written_at_once_and_peace_is_forgotten() -> None:
    now = [1000.0]
    backoff = StatusConflictBackoff(lambda: now[0])
    writes(backoff, now, 120)
    assert not backoff.may_write(KEY, "a")
    assert backoff.may_write(KEY, "b")
    backoff.forget(KEY)
    assert backoff.may_write(KEY, "a")
    writes(backoff, now, 120)
    now[0] += 600
    assert backoff.may_write(KEY, "a")
