"""What a report of a Pod says as a whole."""

from __future__ import annotations

import pytest
from secnet.agent.model.record import Phase
from secnet.agent.model.report import (
    DEGRADED,
    FAILED,
    LATE,
    PENDING,
    NetworkReport,
    PodReport,
    SyncResult,
    network_report,
)
from secnet.contract import ErrorInfo, NotReady, Unsupported
from secnet_testing.contract_objects import POD, record

PASSING, LASTING = NotReady("later").info, Unsupported("never").info


def report(*phases: str, error: ErrorInfo | None = None) -> PodReport:
    return PodReport(
        pod=POD, networks=tuple(NetworkReport(network="a/b", phase=phase) for phase in phases), error=error
    )


@pytest.mark.parametrize(
    ("given", "settled", "attached"),
    [
        (report(), True, True),
        (report(Phase.ATTACHED, Phase.ATTACHED), True, True),
        (report(Phase.ATTACHED, DEGRADED), True, False),
        (report(Phase.ATTACHED, FAILED), True, False),
        (report(Phase.ATTACHED, PENDING), False, False),
        (report(Phase.DETACHING), False, False),
        (report(error=PASSING), False, False),
        (report(error=LASTING), True, False),
    ],
)
def test_settled_and_attached(given: PodReport, settled: bool, attached: bool) -> None:
    assert (given.settled, given.attached) == (settled, attached)


def test_the_errors_of_a_sync_are_the_pods_and_its_networks() -> None:
    network = NetworkReport(network="a/b", phase=PENDING, error=PASSING)
    assert SyncResult(report=None).errors == ()
    assert SyncResult(report=PodReport(pod=POD, error=LASTING, networks=(network,))).errors == (LASTING, PASSING)


def test_an_error_degrades_only_what_is_attached() -> None:
    assert network_report(record(), PASSING).phase == DEGRADED
    assert network_report(record(phase=Phase.DETACHING), PASSING).phase == Phase.DETACHING
    clean = network_report(record(addresses=("10.0.0.5/24",)), outdated=True)
    assert (clean.phase, clean.addresses, clean.outdated) == (Phase.ATTACHED, ("10.0.0.5/24",), True)


def test_what_came_too_late_is_noted() -> None:
    assert network_report(record()).notes == ()
    (note,) = network_report(record(late=True)).notes
    assert note.startswith(f"{LATE}: attached after the Pod's sandbox had started")
