"""The rule itself, case by case. Histories: test_lease_model.py."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.attach.lease_evidence import (
    Judgement,
    LeaseFacts,
    PodSandbox,
    PodState,
    Recorder,
    SandboxState,
    UnbrokenEvidence,
    Verdict,
    judge,
)
from secnet.contract import AttachmentId

GRACE = 300.0
WEB = ("antrea", AttachmentId(container_id="c1", ifname="eth1"))
NOW, LATER, NEVER = 0.0, GRACE, None

OWN: dict[str, Any] = {"recorder": Recorder.THIS_AGENT}
OTHERS: dict[str, Any] = {"recorder": Recorder.OTHER_AGENT, "agent": "node-1"}
LOST: dict[str, Any] = {"recorder": Recorder.NO_AGENT, "alone": True}
HIDDEN: dict[str, Any] = {"recorder": Recorder.UNKNOWN}
ENDED = {"sandbox": SandboxState.ENDED}
GONE = {"pod": PodState.ABSENT}
ANOTHER = {"pod": PodState.HERE, "pod_sandbox": PodSandbox.ANOTHER}


def after(judgement: Judgement) -> float | None:
    assert judgement.reason, "each judgement says why"
    assert judgement.verdict in (Verdict.KEEP, Verdict.FREE)
    return judgement.after if judgement.verdict is Verdict.FREE else None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(OWN | ENDED, NOW, id="own: its sandbox ended"),
        pytest.param(OWN | {"sandbox": SandboxState.LIVING} | GONE, NEVER, id="own: its sandbox lives, without a Pod"),
        pytest.param(OWN | {"sandbox": SandboxState.LIVING} | ANOTHER, NEVER, id="own: lives, and the Pod has another"),
        pytest.param(OWN | {"sandbox": SandboxState.UNNAMED}, NOW, id="own: neither namespace nor interface"),
        pytest.param(
            OWN | {"sandbox": SandboxState.UNNAMED, "all_looked_at": False}, NEVER, id="own: the interface may be there"
        ),
        pytest.param(OTHERS | GONE | ENDED, NEVER, id="other agent: its Pod is gone"),
        pytest.param(OTHERS | ANOTHER | ENDED, NEVER, id="other agent: a Pod of that name is here"),
        pytest.param(LOST | GONE, LATER, id="lost ledger: its Pod is gone"),
        pytest.param(LOST | ANOTHER, LATER, id="lost ledger: another sandbox"),
        pytest.param(LOST | {"pod": PodState.HERE}, NEVER, id="lost ledger: the sandbox is not known"),
        pytest.param(LOST | {"pod": PodState.ELSEWHERE}, NEVER, id="lost ledger: the Pod is elsewhere"),
        pytest.param(LOST | GONE | {"all_looked_at": False}, NEVER, id="lost ledger: the interface may be there"),
        pytest.param(LOST | GONE | {"alone": False}, NEVER, id="no ledger, and others have one"),
        pytest.param(HIDDEN | GONE, LATER, id="API: its Pod is gone"),
        pytest.param(HIDDEN | {"pod": PodState.ELSEWHERE} | ENDED, NEVER, id="API: that node's agent sees to it"),
        pytest.param(HIDDEN | ANOTHER | ENDED, LATER, id="API: the Pod is here in another sandbox"),
        pytest.param(HIDDEN | ANOTHER | {"sandbox": SandboxState.LIVING}, NEVER, id="API: this runtime has it"),
    ],
)
def test_which_evidence_frees_an_address_and_after_how_long(facts: dict[str, Any], expected: float | None) -> None:
    assert after(judge(LeaseFacts(**facts), GRACE)) == expected


@pytest.mark.parametrize("facts", [OWN | ENDED, LOST | GONE, HIDDEN | GONE, HIDDEN | ANOTHER | ENDED])
@pytest.mark.parametrize(
    "spoken_for",
    [
        {"names_pod": False},
        {"has_record": True},
        {"stands": True},
        {"pod_sandbox": PodSandbox.THIS},
    ],
    ids=str,
)
def test_what_is_here_or_of_another_writer_is_never_freed(facts: dict[str, Any], spoken_for: dict[str, Any]) -> None:
    assert after(judge(LeaseFacts(**(facts | spoken_for)), GRACE)) is None


@pytest.mark.parametrize(
    ("facts", "question"),
    [
        (OWN, Verdict.ASK_SANDBOX),
        (LOST, Verdict.ASK_POD),
        (HIDDEN, Verdict.ASK_POD),
        (HIDDEN | ANOTHER, Verdict.ASK_SANDBOX),
    ],
)
def test_it_asks_for_what_costs_something_only_when_it_matters(facts: dict[str, Any], question: Verdict) -> None:
    assert judge(LeaseFacts(**facts)).verdict is question
    assert judge(LeaseFacts(**(facts | {"has_record": True}))).verdict is Verdict.KEEP


def test_where_evidence_never_comes_an_operator_is_named_a_remedy() -> None:
    assert "secnet node forget node-1" in judge(LeaseFacts(**OTHERS)).remedy
    assert "--unrecorded" in judge(LeaseFacts(**(LOST | {"alone": False}))).remedy


def test_evidence_that_breaks_begins_again() -> None:
    evidence = UnbrokenEvidence()
    free = Judgement(verdict=Verdict.FREE, after=GRACE, reason="gone")
    assert evidence.seconds_left(WEB, free, 0.0) == GRACE
    assert evidence.seconds_left(WEB, free, 200.0) == evidence.left_of(WEB, 200.0) == evidence.next_in(200.0) == 100.0
    assert evidence.seconds_left(WEB, Judgement(verdict=Verdict.KEEP, reason="back"), 250.0) is None
    assert evidence.left_of(WEB, 250.0) is evidence.next_in(250.0) is None
    assert evidence.seconds_left(WEB, free, 300.0) == GRACE
    assert evidence.seconds_left(WEB, free, 700.0) == 0.0


def test_evidence_of_one_ipam_type_outlives_a_look_at_another() -> None:
    evidence = UnbrokenEvidence()
    free = Judgement(verdict=Verdict.FREE, after=GRACE, reason="gone")
    evidence.seconds_left(WEB, free, 0.0)
    evidence.keep_only("other", ())
    assert evidence.left_of(WEB, 0.0) == GRACE
    evidence.keep_only("antrea", (WEB,))
    assert evidence.left_of(WEB, 0.0) == GRACE
    evidence.keep_only("antrea", ())
    assert evidence.left_of(WEB, 0.0) is None
