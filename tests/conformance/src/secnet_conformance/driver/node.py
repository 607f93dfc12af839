"""Per-node state: made as configured, repeated without effect, removed without a trace.

A service may remove the links of a bridge a little later, so the snapshots may need a moment to settle.
"""

from __future__ import annotations

from typing import Any

from secnet.contract import NetworkDriver, NodeReport

from ..steps import At, Recorder, StepPoint, fail, points_around
from .lab import DriverLab, DriverTests, unchanged
from .watch import Watch

__all__ = ["Node", "without_node_state"]


def without_node_state(case: Any) -> str:
    """Why the tests of the node do not apply; empty if they do."""
    methods = ("reconcile_node", "teardown_node")
    own = any(getattr(case.driver, name) is not getattr(NetworkDriver, name) for name in methods)
    return "" if own else "the driver keeps no state of the node"


class Node(DriverTests):
    """reconcile_node and teardown_node."""

    group = "node"

    @staticmethod
    def why_not(case: Any) -> str:
        return without_node_state(case)

    def test_reconciling_again_changes_nothing(self, lab: DriverLab) -> None:
        driver, before = lab.driver(), lab.picture()
        report = driver.reconcile_node(lab.context.config, lab.call())
        assert isinstance(report, NodeReport), f"reconcile_node returned {report!r}"
        assert report.ready, [f"{item.code}: {item.message}" for item in report.findings]
        unchanged(before, lab.picture(), "after another reconcile_node")

    def test_teardown_leaves_the_node_as_it_was_before(self, lab: DriverLab) -> None:
        driver, prepared = lab.driver(), lab.prepared
        for times in ("once", "twice"):
            driver.teardown_node(lab.call())
            lab.settled(prepared, f"after teardown_node {times}")
        _reconcile(lab)

    def test_every_change_of_the_node_stands_in_a_step(self, lab: DriverLab) -> None:
        driver = lab.driver()
        watch = Watch(lab.picture, lab.still)
        driver.teardown_node(lab.call(watch))
        found = [f"teardown_node: {line}" for line in watch.end()]
        lab.still()
        watch = Watch(lab.picture, lab.still)
        driver.reconcile_node(lab.context.config, lab.call(watch))
        found += [f"reconcile_node: {line}" for line in watch.end()]
        assert not found, "\n".join(("changes outside of any step:", *found))

    def test_a_reconcile_that_failed_anywhere_is_undone_by_teardown(self, lab: DriverLab) -> None:
        driver, prepared = lab.driver(), lab.prepared
        for point in _points(lab):
            driver.teardown_node(lab.call())
            observer = At(point, fail)
            try:
                ready = driver.reconcile_node(lab.context.config, lab.call(observer)).ready
            except Exception:  # the fault, or an error of the contract made of it
                ready = False
            assert observer.reached, f"{point}: the step never came"
            assert not ready, f"{point}: the failure of the step was swallowed"
            driver.teardown_node(lab.call())
            lab.settled(prepared, f"{point}: after teardown_node")
        _reconcile(lab)

    def test_a_reconcile_that_was_killed_anywhere_is_undone_by_the_next_process(self, lab: DriverLab) -> None:
        for point in _points(lab):
            _killed(lab, point)
            lab.child("teardown_node").expect("teardown_node")
            lab.settled(lab.prepared, f"{point}: after teardown_node in a new process")
        _reconcile(lab)

    def test_a_reconcile_that_was_killed_anywhere_is_completed_by_the_next_process(self, lab: DriverLab) -> None:
        whole = lab.picture()
        for point in _points(lab):
            _killed(lab, point)
            report = lab.child("reconcile_node", plain=(dict(lab.case.node),)).expect("reconcile_node")
            assert report["findings"] == [], f"{point}: findings of reconcile_node in a new process"
            lab.made_again(whole, f"{point}: after reconcile_node in a new process")

    def test_a_teardown_that_failed_anywhere_is_finished_by_the_next(self, lab: DriverLab) -> None:
        driver = lab.driver()
        for point in _teardown_points(lab):
            _reconcile(lab)
            observer = At(point, fail)
            try:
                driver.teardown_node(lab.call(observer))
                raised = False
            except Exception:  # the fault, or an error of the contract made of it
                raised = True
            assert observer.reached, f"{point}: the step never came"
            assert raised, f"{point}: the failure of the step was swallowed"
            driver.teardown_node(lab.call())
            lab.settled(lab.prepared, f"{point}: after another teardown_node")
        _reconcile(lab)

    def test_a_teardown_that_was_killed_anywhere_is_finished_by_the_next_process(self, lab: DriverLab) -> None:
        for point in _teardown_points(lab):
            _reconcile(lab)
            outcome = lab.child("teardown_node", kill=point)
            assert outcome.killed, f"{point}: teardown_node never came to this point"
            lab.child("teardown_node").expect("teardown_node")
            lab.settled(lab.prepared, f"{point}: after teardown_node in a new process")
        _reconcile(lab)

    def test_an_attachment_survives_reconciling(self, lab: DriverLab) -> None:
        driver, pod = lab.driver(), lab.pod()
        attachment = lab.attach(driver, pod)
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        before = lab.picture(pod)
        driver.reconcile_node(lab.context.config, lab.call())
        unchanged(before, lab.picture(pod), "after reconcile_node")
        lab.clean_check(driver, attachment, "check after reconcile_node")
        driver.detach(attachment, lab.call())


def _points(lab: DriverLab) -> list[StepPoint]:
    """The points around the steps of a reconcile_node on the host as the case prepared it, which is reconciled then."""
    driver, steps = lab.driver(), Recorder()
    driver.teardown_node(lab.call())
    lab.settled(lab.prepared, "after teardown_node")
    driver.reconcile_node(lab.context.config, lab.call(steps))
    return points_around(steps.names)


def _teardown_points(lab: DriverLab) -> list[StepPoint]:
    """The points around the steps of a teardown_node of the reconciled host, which is torn down then."""
    steps = Recorder()
    lab.driver().teardown_node(lab.call(steps))
    lab.settled(lab.prepared, "after teardown_node")
    return points_around(steps.names)


def _killed(lab: DriverLab, point: StepPoint) -> None:
    """From the host as it was prepared, a process dies at this point of reconcile_node."""
    lab.child("teardown_node").expect("teardown_node")
    lab.settled(lab.prepared, f"{point}: after teardown_node")
    outcome = lab.child("reconcile_node", plain=(dict(lab.case.node),), kill=point)
    assert outcome.killed, f"{point}: reconcile_node never came to this point"


def _reconcile(lab: DriverLab) -> None:
    report = lab.driver().reconcile_node(lab.context.config, lab.call())
    assert report.ready, [f"{item.code}: {item.message}" for item in report.findings]
