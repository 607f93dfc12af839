"""Conditions in the status of a Pod."""

from __future__ import annotations

from secnet.agent.cluster._conditions import condition_of, next_condition, stored_condition

WANTED = {"type": "Ready", "status": "True", "reason": "Attached", "message": ""}


def test_the_condition_of_a_type() -> None:
    pod = {"status": {"conditions": [{"type": "Other"}, {"type": "Ready", "status": "False"}]}}
    assert condition_of(pod, "Ready") == {"type": "Ready", "status": "False"}
    assert condition_of({"status": {"conditions": None}}, "Ready") is None
    assert condition_of({}, "Ready") is None


def test_the_time_changes_with_the_status_alone() -> None:
    first = next_condition(None, WANTED, "t1")
    assert first == WANTED | {"lastTransitionTime": "t1"}
    reason = next_condition(first, WANTED | {"reason": "Other"}, "t2")
    assert reason is not None
    assert reason["lastTransitionTime"] == "t1"
    status = next_condition(reason, WANTED | {"status": "False"}, "t3")
    assert status is not None
    assert status["lastTransitionTime"] == "t3"


def test_nothing_is_written_that_says_the_same_also_with_empty_fields_left_out() -> None:
    stored = stored_condition(WANTED | {"lastTransitionTime": "t1"})
    assert "message" not in stored
    assert next_condition(stored, WANTED | {"lastTransitionTime": "t9"}, "t2") is None
