"""Addresses and the journal: what a record holds is nobody else's, whatever the pools say."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.requests import Work
from secnet.contract import Busy, Call, CheckReport, Finding
from secnet_testing.toys import Rig, fail, make_rig, toy_work

LOST = Finding(code="AddressNotListed", message="not listed", repairable=False)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def test_a_record_of_another_ipam_type_gives_its_lease_back_before_it_is_remade(rig: Rig) -> None:
    record = rig.attach()
    bare = toy_work()
    rig.script.log.clear()
    rig.pipeline.remake(record, Work(element=bare.element, request=bare.request), Call.within(5))
    assert rig.script.log == ["detach", "release", "plan", "attach", "check"]


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
