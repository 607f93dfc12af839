"""One policy for every attachment: what each way of attaching may rely on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from secnet.agent.model.problem import InternalError
from secnet.agent.pods.worker import AttachmentWorker
from secnet.contract import Busy, CheckReport, Finding, Unavailable
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


def test_drift_is_repaired_from_the_work_that_is_given(rig: Rig, worker: AttachmentWorker) -> None:
    record = worker.attach(toy_work(), NEVER)
    answers = iter([DRIFTED, CheckReport()])
    rig.script.instead["check"] = lambda: next(answers, CheckReport())
    repaired = worker.check(record, toy_work())
    assert rig.script.log.count("attach") == 2
    assert (repaired.phase, worker.drift_of(record.key)) == ("Attached", None)


def test_a_fault_of_the_agent_itself_is_an_error_that_is_tried_again(
    rig: Rig, worker: AttachmentWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = worker.attach(toy_work(), NEVER)

    def broken(*args: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(rig.journal, "write", broken)  # a fault of our own code cannot be provoked otherwise
    with pytest.raises(InternalError, match="no such thing"):
        worker.detach(record)
