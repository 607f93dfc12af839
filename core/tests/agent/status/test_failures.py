"""Reports of networks and Pods that are not as they should be."""

from __future__ import annotations

import pytest
from secnet.agent.model.report import FAILED, PENDING
from secnet.agent.model.work import Rejected
from secnet.agent.status.failures import (
    failed_report,
    gone_report,
    internal_error_report,
    outlived_error,
    rejected_report,
)
from secnet.contract import Cancelled, Gone, NotReady, SecnetError, Unsupported
from secnet_testing.contract_objects import POD, record, selection_id, work


@pytest.mark.parametrize(
    ("error", "phase"),
    [(NotReady("x"), PENDING), (Unsupported("x"), FAILED), (Gone("x"), PENDING), (Cancelled("x"), PENDING)],
)
def test_a_failed_attach_is_tried_again_unless_only_a_new_input_helps(error: SecnetError, phase: str) -> None:
    report = failed_report(work(), error.info)
    assert (report.phase, report.network, report.interface) == (phase, "default/blue", "eth1")


def test_a_rejected_network() -> None:
    report = rejected_report(Rejected(selection_id=selection_id(), ifname="net1", error=Unsupported("no mac")))
    assert (report.phase, report.network, report.interface) == (FAILED, "default/blue", "net1")
    assert report.error is not None
    assert report.error.reason == "Unsupported"


def test_an_attachment_that_went() -> None:
    assert gone_report(record("eth2"), NotReady("x").info).phase == PENDING
    assert gone_report(record("eth2"), Unsupported("x").info).interface == "eth2"


def test_a_fault_of_the_agent_leaves_the_networks_as_they_were() -> None:
    report = internal_error_report(POD, [record("eth1"), record("eth2")], ValueError("odd"))
    assert report.error is not None
    assert "ValueError: odd" in report.error.message
    assert [network.phase for network in report.networks] == ["Attached", "Attached"]


def test_a_pod_that_its_sandbox_outlives_is_busy() -> None:
    assert outlived_error(POD).reason == "Busy"
