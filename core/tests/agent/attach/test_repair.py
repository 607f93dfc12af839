"""Repair from the record: in place, else by detach and attach with the recorded plan and lease; nothing is ever undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.model.network import CommonOptions
from secnet.agent.model.record import Origin, Phase
from secnet.agent.plugins.calls import PluginStuck
from secnet.contract import (
    WRONG_MTU,
    Busy,
    Call,
    CheckReport,
    Conflict,
    Finding,
    NotReady,
    SecnetError,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from secnet_testing.netns import NetnsFactory
from secnet_testing.scripted_plugins import Rig, fail, make_rig

BROKEN = CheckReport(findings=(Finding(code="PortMissing", message="no port"),))
HOPELESS = CheckReport(findings=(Finding(code="DeviceGone", message="no device", repairable=False),))
CLEAN = CheckReport()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def answers(rig: Rig, *reports: CheckReport, then: CheckReport = CLEAN) -> None:
    """What the checks find, one after the other."""
    left: Iterator[CheckReport] = iter(reports)
    rig.script.instead["check"] = lambda: next(left, then)


def broken_until(rig: Rig, method: str) -> None:
    """Broken until the driver was asked for this method."""
    rig.script.instead["check"] = lambda: CLEAN if method in rig.script.log else BROKEN


def acts(rig: Rig) -> list[str]:
    return [act for act in rig.script.log if act != "check"]


def test_what_can_be_repaired_in_place_is_not_detached(rig: Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    broken_until(rig, "attach")
    assert rig.pipeline.repair(record, Call.within(5)) == record
    assert acts(rig) == ["attach"]
    assert rig.journal.records() == (record,)


def test_a_living_attachment_is_not_asked_for_admission(rig: Rig) -> None:
    record = rig.attach()
    rig.script.instead["admit"] = fail(Busy("refused"))
    rig.pipeline.repair(record, Call.within(5))
    assert "admit" not in rig.script.log


def test_what_cannot_is_detached_and_attached_with_the_same_plan_and_lease(rig: Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    broken_until(rig, "detach")
    assert rig.pipeline.repair(record, Call.within(5)) == record
    assert acts(rig) == ["attach", "detach", "attach"]


def test_an_attach_that_is_refused_in_place_may_succeed_after_a_detach(rig: Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    broken_until(rig, "detach")

    def attach() -> object:
        if "detach" not in rig.script.log:
            raise Conflict("the port is on another bridge")
        return record.result

    rig.script.instead["attach"] = attach
    rig.pipeline.repair(record, Call.within(5))
    assert acts(rig) == ["attach", "detach", "attach"]


@pytest.mark.parametrize("error", [Conflict("another interface has the route"), Unsupported("a route of the Pod")])
def test_what_the_pod_has_in_the_way_is_no_reason_to_detach(rig: Rig, error: SecnetError) -> None:
    """Layer 3 refuses it with the driver's part as it should be."""
    record = rig.attach()
    rig.script.log.clear()
    rig.script.instead["attach"] = fail(error)
    with pytest.raises(type(error)):
        rig.pipeline.repair(record, Call.within(5))
    assert acts(rig) == ["attach"]


@pytest.mark.parametrize(
    "error", [NotReady("no bridge"), Unavailable("no OVSDB"), Busy("on its way"), PluginStuck("the driver is off")]
)
def test_nothing_is_detached_while_what_it_stands_on_is_missing(rig: Rig, error: SecnetError) -> None:
    record = rig.attach()
    rig.script.log.clear()
    answers(rig, then=BROKEN)
    rig.script.instead["attach"] = fail(error)
    with pytest.raises(type(error)):
        rig.pipeline.repair(record, Call.within(5))
    assert acts(rig) == ["attach"]
    assert rig.journal.records() == (record.replace(phase=Phase.REPAIRING),)


def test_a_repair_that_fails_keeps_the_addresses(rig: Rig) -> None:
    """A new attach would release them: to the next Pod that asks."""
    record = rig.attach()
    rig.script.log.clear()
    answers(rig, then=BROKEN)
    with pytest.raises(VerifyFailed, match="no port"):
        rig.pipeline.repair(record, Call.within(5))
    assert "release" not in rig.script.log
    (left,) = rig.journal.records()
    assert left.living
    del rig.script.instead["check"]
    assert rig.pipeline.repair(left, Call.within(5)) == record


def test_findings_that_nothing_repairs_do_not_keep_the_others_from_being_repaired(rig: Rig) -> None:
    record = rig.attach()
    answers(rig, then=HOPELESS)
    rig.script.log.clear()
    assert rig.pipeline.repair(record, Call.within(5)) == record
    assert acts(rig) == ["attach"]


def test_an_interface_that_the_pod_uses_is_never_detached(rig: Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    answers(rig, then=CheckReport(findings=BROKEN.findings, in_use="in use by the bridge k6t in the Pod"))
    with pytest.raises(VerifyFailed):
        rig.pipeline.repair(record, Call.within(5))
    rig.script.instead["attach"] = fail(Conflict("no"))
    with pytest.raises(Conflict):
        rig.pipeline.repair(record, Call.within(5))
    assert acts(rig) == ["attach", "attach"]


def test_disable_check_takes_findings_of_the_pods_side_out(rig: Rig) -> None:
    record = rig.attach().replace(common=CommonOptions(disable_check=True))
    inside = Finding(code="WrongMac", message="another MAC", in_pod=True)
    answers(rig, then=CheckReport(findings=(inside, *BROKEN.findings)))
    assert rig.pipeline.check(record, Call.within(5)).findings == BROKEN.findings


@pytest.mark.kernel
def test_the_lost_interface_of_a_cni_caller_is_reported_and_not_made(rig: Rig, netns_factory: NetnsFactory) -> None:
    """Its caller had other plugins work on it, which none but a new ADD calls again."""
    record = rig.attach().replace(origin=Origin.CNI)
    result = dataclasses.replace(record.result, netdev=True)
    request = dataclasses.replace(record.attachment.request, netns=netns_factory().ref)
    attachment = dataclasses.replace(record.attachment, request=request)
    record = record.replace(result=result, attachment=attachment)
    rig.journal.write(record)
    rig.script.log.clear()
    rig.script.instead["check"] = lambda: CheckReport(findings=BROKEN.findings)
    with pytest.raises(Unsupported, match="interface eth1 is gone from the Pod"):
        rig.pipeline.repair(record, Call.within(5))
    assert (acts(rig), rig.journal.records()) == ([], (record,))


def test_an_mtu_that_cannot_be_had_does_not_keep_the_rest_from_being_repaired(rig: Rig) -> None:
    """As with a master of lower MTU: the kernel would refuse it, and is not asked."""
    record = rig.attach()
    stuck = Finding(code=WRONG_MTU, message="the MTU 1300", repairable=False, in_pod=True)
    asked: list[object] = []
    rig.pipeline._steps.layer3.set_back = lambda record, codes, call: asked.extend(codes)  # type: ignore[method-assign]  # the toys have no link
    answers(rig, CheckReport(findings=(stuck, *BROKEN.findings)), then=CheckReport(findings=(stuck,)))
    assert rig.pipeline.repair(record, Call.within(5)) == record
    assert asked == []
