"""Per-node state: made as configured, repeated without effect, taken away without a trace.

A service may take the links of a bridge away a little after it was told to, so the pictures may need a moment to settle.
"""

from __future__ import annotations

from secnet.contract import NodeReport

from ..steps import At, Recorder, fail, points_around
from .lab import DriverLab, DriverTests, unchanged

__all__ = ["Node"]


class Node(DriverTests):
    """reconcile_node and teardown_node."""

    group = "node"

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
        report = driver.reconcile_node(lab.context.config, lab.call())
        assert report.ready, [f"{item.code}: {item.message}" for item in report.findings]

    def test_a_reconcile_that_failed_anywhere_is_undone_by_teardown(self, lab: DriverLab) -> None:
        driver, prepared = lab.driver(), lab.prepared
        driver.teardown_node(lab.call())
        steps = Recorder()
        driver.reconcile_node(lab.context.config, lab.call(steps))
        for point in points_around(steps.names):
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
        report = driver.reconcile_node(lab.context.config, lab.call())
        assert report.ready, [f"{item.code}: {item.message}" for item in report.findings]

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
