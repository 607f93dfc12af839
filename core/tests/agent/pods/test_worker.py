"""One policy for every attachment: what each way of attaching may rely on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from secnet.agent.model.problem import InternalError
from secnet.agent.model.record import Phase
from secnet.agent.pods.worker import AttachmentWorker
from secnet.contract import Busy, CheckReport, Conflict, Finding, Unavailable
from secnet_testing.scripted_plugins import Rig, fail, make_rig, make_worker, toy_work

DRIFTED = CheckReport(findings=(Finding(code="LinkDown", message="eth1 is down", repairable=True),))
NEVER = threading.Event()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


@pytest.fixture
def worker(rig: Rig) -> AttachmentWorker:
    return make_worker(rig)


def _attach(worker: AttachmentWorker) -> None:
    worker.attach(toy_work(), NEVER)


def _plan_and_finish(worker: AttachmentWorker) -> None:
    worker.finish(worker.plan(toy_work(), NEVER), NEVER)


Way = Callable[[AttachmentWorker], None]
both_ways = pytest.mark.parametrize("attach", [_attach, _plan_and_finish])


@both_ways
def test_an_attach_plans_once_and_records_what_it_made(rig: Rig, worker: AttachmentWorker, attach: Way) -> None:
    attach(worker)
    assert [method for method in rig.script.log if method in ("plan", "allocate", "attach")] == [
        "plan",
        "allocate",
        "attach",
    ]
    assert [record.phase for record in rig.journal.records()] == ["Attached"]


@both_ways
def test_nothing_is_attached_over_an_older_attachment(rig: Rig, worker: AttachmentWorker, attach: Way) -> None:
    attach(worker)
    with pytest.raises(Busy, match="not removed yet"):
        attach(worker)


@both_ways
@pytest.mark.parametrize("method", ["plan", "allocate", "attach"])
def test_a_failed_attach_leaves_no_record(rig: Rig, worker: AttachmentWorker, attach: Way, method: str) -> None:
    rig.script.instead[method] = fail(Unavailable("no answer"))
    with pytest.raises(Unavailable):
        attach(worker)
    assert rig.journal.records() == ()


def test_a_plan_is_dropped_by_a_detach(rig: Rig, worker: AttachmentWorker) -> None:
    planned = worker.plan(toy_work(), NEVER)
    assert [record.phase for record in rig.journal.records()] == ["Planned"]
    worker.detach(planned)
    assert rig.journal.records() == ()
    assert "attach" not in rig.script.log


def test_a_plan_holds_its_device_against_others(rig: Rig, worker: AttachmentWorker) -> None:
    rig.script.locks = ("port:1",)
    worker.plan(toy_work(), NEVER)
    with pytest.raises(Busy, match="port:1 still belongs to"):
        worker.plan(toy_work("eth2"), NEVER)


def test_drift_is_remembered_until_the_next_check_and_logged_once(
    rig: Rig, worker: AttachmentWorker, caplog: pytest.LogCaptureFixture
) -> None:
    record = worker.attach(toy_work(), NEVER)
    rig.script.instead["check"] = lambda: DRIFTED
    for _ in range(2):
        assert worker.check(record) is record
        found = worker.drift_of(record.key)
        assert found is not None
        assert (found.reason, found.message) == ("Degraded", "eth1 is down")
    assert [line.levelno for line in caplog.records if "drifted" in line.message] == [logging.WARNING]
    del rig.script.instead["check"]
    worker.check(record)
    assert worker.drift_of(record.key) is None


def test_drift_is_repaired_where_that_is_wanted(rig: Rig, worker: AttachmentWorker) -> None:
    record = worker.attach(toy_work(), NEVER)
    answers = iter([DRIFTED, DRIFTED])  # the check, and the look at what uses the interface
    rig.script.instead["check"] = lambda: next(answers, CheckReport())
    rig.script.log.clear()
    repaired = worker.check(record, repair=True)
    assert [step for step in rig.script.log if step != "check"] == ["attach"], (
        "nothing is planned, removed or allocated"
    )
    assert (repaired, worker.drift_of(record.key)) == (record, None)


def test_what_the_pod_changes_for_a_moment_is_not_repaired(rig: Rig, worker: AttachmentWorker) -> None:
    """The launcher of a virtual machine takes the interface down before it renames it."""
    record = worker.attach(toy_work(), NEVER)
    answers = iter([CheckReport(findings=(Finding(code="InterfaceDown", message="eth1 is down", in_pod=True),))])
    taken = CheckReport(in_use="renamed to eth1-nic in the Pod")
    rig.script.instead["check"] = lambda: next(answers, taken)
    rig.script.log.clear()
    assert worker.check(record, repair=True) is record
    assert "attach" not in rig.script.log
    assert worker.in_use(record.key) == taken.in_use


def test_what_uses_the_interface_is_known_after_a_repair_too(rig: Rig, worker: AttachmentWorker) -> None:
    record, used = worker.attach(toy_work(), NEVER), "in use by the bridge k6t in the Pod, as eth1-nic"
    before = CheckReport(findings=DRIFTED.findings, in_use=used)
    answers = iter([before, before])
    rig.script.instead["check"] = lambda: next(answers, CheckReport(in_use=used))
    assert worker.check(record, repair=True) is not record
    assert worker.in_use(record.key) == used


def test_what_breaks_again_and_again_is_repaired_more_and_more_rarely(rig: Rig, worker: AttachmentWorker) -> None:
    record = worker.attach(toy_work(), NEVER)
    for _ in range(3):
        answers = iter([DRIFTED, DRIFTED])
        rig.script.instead["check"] = lambda left=answers: next(left, CheckReport())
        worker.check(record, repair=True)
        assert worker.drift_of(record.key) is None
    rig.script.instead["check"] = lambda: DRIFTED
    rig.script.log.clear()
    assert worker.check(record, repair=True) is record
    found = worker.drift_of(record.key)
    assert found is not None
    assert "something breaks it again after each repair" in found.hint
    assert "attach" not in rig.script.log


def test_a_repair_that_did_not_end_goes_on_whatever_the_check_finds(rig: Rig, worker: AttachmentWorker) -> None:
    record = worker.attach(toy_work(), NEVER)
    rig.journal.write(record.replace(phase=Phase.REPAIRING))
    assert worker.check(rig.journal.records()[0], repair=True).phase == Phase.ATTACHED


def test_a_fault_of_the_agent_itself_is_an_error_that_is_tried_again(
    rig: Rig, worker: AttachmentWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = worker.attach(toy_work(), NEVER)

    def broken(*args: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(rig.journal, "write", broken)  # a fault of our own code cannot be provoked otherwise
    with pytest.raises(InternalError, match="no such thing"):
        worker.detach(record)


def test_a_repair_that_fails_again_and_again_backs_off_too(rig: Rig, worker: AttachmentWorker) -> None:
    record = worker.attach(toy_work(), NEVER)
    rig.script.instead |= {"check": lambda: DRIFTED, "attach": fail(Conflict("the Pod has an interface eth1 already"))}
    for _ in range(3):
        with pytest.raises(Conflict):
            worker.check(rig.journal.records()[0], repair=True)
    rig.script.log.clear()
    left = worker.check(rig.journal.records()[0], repair=True)
    assert (left.phase, rig.script.log.count("attach")) == (Phase.REPAIRING, 0)
    found = worker.drift_of(record.key)
    assert found is not None
    assert (found.reason, found.message) == ("Conflict", "the Pod has an interface eth1 already")


def test_a_repair_that_cannot_begin_yet_is_not_counted(rig: Rig, worker: AttachmentWorker) -> None:
    worker.attach(toy_work(), NEVER)
    rig.script.instead |= {"check": lambda: DRIFTED, "attach": fail(Unavailable("no OVSDB"))}
    for _ in range(9):
        with pytest.raises(Unavailable):
            worker.check(rig.journal.records()[0], repair=True)
    rig.script.log.clear()
    answers = iter([DRIFTED, DRIFTED])
    rig.script.instead = {"check": lambda: next(answers, CheckReport())}
    assert worker.check(rig.journal.records()[0], repair=True).phase == Phase.ATTACHED
