"""The Pod's condition: what makes it False, and what must not."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.model.record import Phase
from secnet.agent.model.report import NetworkReport, PodReport, network_report
from secnet.agent.status._condition import CONDITION_TYPE, condition_of
from secnet.contract import ErrorInfo
from secnet_testing.contract_objects import POD, record

THERE = NetworkReport(network="default/blue", interface="eth1", phase="Attached")
AWAY = ErrorInfo(reason="Unavailable", message="the container runtime does not answer", retryable=True)


def pod(*, gate: bool = False, had: bool = False) -> dict[str, Any]:
    gates = {"readinessGates": [{"conditionType": CONDITION_TYPE}]} if gate else {}
    conditions = [{"type": CONDITION_TYPE, "status": "True"}] if had else []
    return {"metadata": {"name": "web"}, "spec": gates, "status": {"conditions": conditions}}


def report(*networks: NetworkReport, error: ErrorInfo | None = None) -> PodReport:
    return PodReport(pod=POD, networks=networks, error=error)


def status(found: dict[str, str] | None) -> tuple[str, str] | None:
    return None if found is None else (found["status"], found["reason"])


@pytest.mark.parametrize(
    ("gate", "had", "expected"),
    [
        (False, False, None),
        (True, False, ("True", "NoSecondaryNetworks")),
        (False, True, ("True", "NoSecondaryNetworks")),
    ],
)
def test_a_pod_without_networks(gate: bool, had: bool, expected: object) -> None:
    assert status(condition_of(pod(gate=gate, had=had), None)) == expected


@pytest.mark.parametrize(("phase", "reason"), [("Succeeded", "PodCompleted"), ("Failed", "PodFailed")])
def test_a_pod_that_has_ended(phase: str, reason: str) -> None:
    """As the kubelet's own conditions: its networks are gone, and it is not one that never had any."""
    ended = pod(had=True)
    ended["status"]["phase"] = phase
    assert status(condition_of(ended, None)) == ("False", reason)
    del ended["status"]["conditions"]
    assert condition_of(ended, None) is None


@pytest.mark.parametrize(
    ("called", "uncalled", "expected"),
    [
        (("default/blue",), (), ("True", "Attached")),
        (("default/blue",), ("default/green",), ("False", "NotCalled")),
        ((), ("default/green",), ("False", "NotCalled")),
    ],
)
def test_networks_that_are_left_to_multus(
    called: tuple[str, ...], uncalled: tuple[str, ...], expected: tuple[str, str]
) -> None:
    found = PodReport(pod=POD, called=called, uncalled=uncalled)
    assert condition_of(pod(), found) is None, "no one asked for a condition"
    shown = condition_of(pod(gate=True), found)
    assert status(shown) == expected
    assert shown is not None
    assert (uncalled or called)[0] in shown["message"]


def test_it_is_true_when_all_is_there_and_says_nothing_empty() -> None:
    """An API server leaves empty strings out: one in our wish would differ from what is there for ever."""
    found = condition_of(pod(), report(THERE))
    assert status(found) == ("True", "Attached")
    assert found is not None
    assert "" not in found.values()


def test_a_pod_that_started_without_a_network_is_ready_and_says_so() -> None:
    late = network_report(record(late=True))
    found = condition_of(pod(), report(THERE, late))
    assert status(found) == ("True", "StartedWithoutNetworks")
    assert found is not None
    assert found["message"].startswith("eth1: StartedWithoutNetworks: attached after")


def test_what_fails_is_named() -> None:
    failed = NetworkReport(network="default/red", interface="eth2", phase="Failed", error=AWAY)
    found = condition_of(pod(had=True), report(THERE, failed))
    assert status(found) == ("False", "Unavailable")
    assert found is not None
    assert "eth2" in found["message"]


def test_a_runtime_that_is_away_takes_no_living_pod_out_of_service() -> None:
    assert condition_of(pod(had=True), report(THERE, error=AWAY)) is None
    assert status(condition_of(pod(had=True), report(error=AWAY))) == ("False", "Unavailable")


@pytest.mark.parametrize("reason", ["NotReady", "Gone"])
def test_a_pod_whose_sandbox_is_gone_is_not_ready(reason: str) -> None:
    error = ErrorInfo(reason=reason, message="no sandbox")
    assert status(condition_of(pod(had=True), report(THERE, error=error))) == ("False", reason)


def test_a_sandbox_that_is_not_there_yet_needs_no_condition() -> None:
    waiting = NetworkReport(network="default/blue", phase="Pending")
    error = ErrorInfo(reason="NotReady", message="no sandbox", retryable=True)
    assert condition_of(pod(), report(waiting, error=error)) is None


def test_an_edited_nad_or_a_deleted_pool_takes_no_living_pod_out_of_service_but_drift_does() -> None:
    def degraded(reason: str) -> NetworkReport:
        error = ErrorInfo(reason=reason, message="x")
        return NetworkReport(network="default/blue", interface="eth1", phase="Degraded", error=error)

    for reason in ("ObjectNotFound", "LeaseNotListed"):
        assert status(condition_of(pod(had=True), report(degraded(reason)))) == ("True", "Attached")
    assert status(condition_of(pod(had=True), report(degraded("Degraded")))) == ("False", "Degraded")


@pytest.mark.parametrize(
    "error", [None, ErrorInfo(reason="Timeout", message="x"), ErrorInfo(reason="Conflict", message="x")]
)
def test_a_repair_that_did_not_end_takes_the_pod_out_of_service(error: ErrorInfo | None) -> None:
    """Whatever keeps it from its end: the interface may be gone."""
    found = condition_of(pod(had=True), report(network_report(record(phase=Phase.REPAIRING), error)))
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", error.reason if error else "Degraded")
    assert found["message"]
