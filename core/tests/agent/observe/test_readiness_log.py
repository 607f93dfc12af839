"""The log says "ready" when `/readyz` does, and not before."""

from __future__ import annotations

import pytest
from secnet.agent.observe.readiness_log import ReadinessLog


def test_each_change_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reasons = ["no recovery", "no bridge"]
    log = ReadinessLog(lambda: iter(reasons), "n1")
    log.note()
    log.note()
    reasons.pop()
    log.note()
    assert [record.getMessage() for record in caplog.records] == ["not ready yet: no recovery; no bridge"]
    caplog.clear()
    reasons.clear()
    log.note()
    log.note()
    assert [record.getMessage() for record in caplog.records] == ["ready: node n1"]
    caplog.clear()
    reasons.append("the API server is away")
    log.note()
    log.note()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "not ready any more: the API server is away")
    ]
    caplog.clear()
    reasons.clear()
    log.note()
    assert [record.getMessage() for record in caplog.records] == ["ready: node n1"]
