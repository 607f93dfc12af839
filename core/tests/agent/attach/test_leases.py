"""Addresses and the journal: what a record holds is no one else's, whatever the pools say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.lease_gc import Reclaimed
from secnet.agent.attach.lease_ledgers import CommonLedgers, LocalLedger
from secnet.agent.attach.leases import Leases
from secnet.agent.state.agent_ledgers import AgentLedgers
from secnet.agent.state.sandbox_ledger import SandboxLedger
from secnet.contract import Busy, Call, CheckReport, Conflict, Finding, IpamLease, Unavailable
from secnet_testing.scripted_plugins import Rig, fail, make_rig, toy_work

LOST = Finding(code="AddressNotListed", message="not listed", repairable=False)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def test_an_address_that_another_record_holds_is_not_given_again(rig: Rig) -> None:
    rig.script.pool = "blue"
    first = rig.attach()
    rig.script.log.clear()
    with pytest.raises(
        Busy, match=r"the pool blue gave 10\.0\.0\.2/24, which Pod default/web interface eth1 still uses"
    ):
        rig.attach(toy_work("eth2"))
    # The wrong entry is given back, the holder looked after, and the undo finds nothing more to do; nothing was attached.
    assert rig.script.log == ["plan", "allocate", "release", "check_lease", "detach", "release"]
    assert rig.journal.records() == (first,)


def test_static_addresses_may_be_doubled(rig: Rig) -> None:
    rig.attach()
    rig.attach(toy_work("eth2"))
    assert len(rig.journal.records()) == 2


def test_a_lease_that_the_pool_lost_is_entered_again(rig: Rig) -> None:
    rig.script.pool = "blue"
    record = rig.attach()
    rig.script.log.clear()
    rig.script.instead["check_lease"] = lambda: CheckReport(findings=(LOST,))
    assert rig.pipeline.check_lease(record, Call.within(5)) == ()
    assert rig.script.log == ["check_lease", "allocate"]
    assert rig.script.asked_for[-1] == ("10.0.0.2/24",), "the very address in use"


def test_a_lease_that_cannot_be_entered_again_is_lost(rig: Rig) -> None:
    rig.script.pool = "blue"
    record = rig.attach()
    rig.script.instead |= {"check_lease": lambda: CheckReport(findings=(LOST,)), "allocate": fail(Busy("taken by x"))}
    findings = rig.pipeline.check_lease(record, Call.within(5))
    assert [(found.code, found.repairable) for found in findings] == [("AddressNotListed", False), ("LeaseLost", False)]
    assert "taken by x" in findings[1].message
    assert rig.journal.records() == (record,)


def test_a_lease_as_recorded_is_left_alone(rig: Rig) -> None:
    record = rig.attach()
    rig.script.log.clear()
    assert rig.pipeline.check_lease(record, Call.within(5)) == ()
    assert rig.script.log == ["check_lease"]


def test_two_records_of_one_address_do_not_take_it_from_each_other_without_end(rig: Rig) -> None:
    """No agent makes them; a run directory that was put back from a copy may hold them."""
    first = rig.attach()
    second = rig.attach(toy_work("eth2"))  # of a backend without pools
    for record in (first, second):
        lease = record.attachment.lease
        assert lease is not None
        pooled = replace(lease, addresses=tuple(replace(each, pool="blue") for each in lease.addresses))
        rig.journal.write(replace(record, attachment=replace(record.attachment, lease=pooled)))
    rig.script.pool = "blue"
    rig.script.log.clear()
    rig.script.instead["check_lease"] = lambda: CheckReport(findings=(LOST,))
    for record in rig.journal.records():
        rig.pipeline.check_lease(record, Call.within(5))
    assert rig.script.log == ["check_lease", "allocate"] * 2


class Way:
    """What gives stale leases back: what it did, and why an earlier sandbox still has its own."""

    def __init__(self, released: bool, hint: str = "") -> None:
        self.answer = Reclaimed(released=released, hint=hint)
        self.asked = 0

    def reclaim(self, request: object, ipam_type: str, call: Call) -> Reclaimed:
        self.asked += 1
        return self.answer


def allocate(rig: Rig, way: Way, folder: Path, *outcomes: Exception | None) -> None:
    """Ask for the lease of a work whose allocation has these outcomes, one after the other."""
    left = list(outcomes)

    def once() -> IpamLease:
        outcome = left.pop(0)
        if outcome is not None:
            raise outcome
        return IpamLease(owner=work.ipam.owner, addresses=())  # type: ignore[union-attr]

    work = toy_work("eth3")
    rig.script.instead["allocate"] = once
    plugins = rig.pipeline._plugins
    ledger = LocalLedger(SandboxLedger(folder), lambda container: False)
    lease_gc: Any = way
    leases = Leases(plugins, rig.journal, ledger=ledger, lease_gc=lease_gc)
    leases.allocate(work.ipam, work.ipam_type, work.request, Call.within(5))
    assert work.request.container_id in SandboxLedger(folder)
    assert left == []


@pytest.mark.parametrize("error", [Busy("full"), Conflict("eth1 of Pod x holds it")], ids=["full", "taken"])
def test_what_is_stale_makes_way_for_an_allocation(rig: Rig, tmp_path: Path, error: Exception) -> None:
    way = Way(True)
    allocate(rig, way, tmp_path, error, None)
    assert way.asked == 1


def test_where_nothing_is_stale_the_error_stays(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="eth1 of Pod x"):
        allocate(rig, Way(False), tmp_path, Conflict("eth1 of Pod x holds it"))


def test_a_doubtful_lease_of_the_same_pod_is_waited_for_and_reported(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(Busy, match="it holds it") as caught:
        allocate(rig, Way(False, "it is released in 240 s"), tmp_path, Busy("it holds it"))
    assert caught.value.info.hint == "it is released in 240 s"


def test_other_errors_clear_nothing(rig: Rig, tmp_path: Path) -> None:
    way = Way(True)
    with pytest.raises(Unavailable):
        allocate(rig, way, tmp_path, Unavailable("no API"))
    assert way.asked == 0


def test_a_sandbox_of_another_agent_gets_no_address_and_loses_none(rig: Rig, tmp_path: Path) -> None:
    """Two nodes whose namespaces have the same numbers: a pool knows their sandboxes by one name."""
    record = rig.attach()
    assert record.ipam is not None
    asked = record.attachment.request
    CommonLedgers(AgentLedgers(tmp_path, "node-1", "secnet"), "boot").add(asked)
    here = CommonLedgers(AgentLedgers(tmp_path, "node-2", "secnet"), "boot")
    leases = Leases(rig.pipeline._plugins, rig.journal, ledger=here)
    rig.script.log.clear()
    with pytest.raises(Busy, match="node node-1 has not given back"):
        leases.allocate(record.ipam, record.ipam_type, asked, Call.within(5))
    leases.release(record, Call.within(5))
    assert rig.script.log == []
