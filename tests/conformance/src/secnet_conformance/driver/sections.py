"""The section of the node configuration is removed or changed: what it had made does not stay forever."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.agent.text.schema import Validator
from secnet.contract import NetworkDriver, NodeReport, ProbeReport

from ..suite import applies
from .lab import DriverLab, DriverTests

__all__ = ["NodeSections"]


def _without_section(case: Any) -> str:
    return "" if case.node else "the case has no section of the node configuration"


def _without_other(case: Any) -> str:
    return "" if case.other_node is not None else "the case has no other_node"


class NodeSections(DriverTests):
    """Each time by a new instance that was built with the new section, as a restarted agent does it."""

    group = "node"

    @applies(_without_section)
    def test_without_a_section_what_was_made_goes_or_is_reported(self, lab: DriverLab) -> None:
        """An absent section is `{}`, which no schema has seen."""
        whole = lab.picture()
        driver = _driver(lab, {})
        assert isinstance(driver.probe(), ProbeReport), "probe without a section is no ProbeReport"
        for times in ("once", "twice"):
            if _reconciled(lab, driver, {}).settled:
                lab.settled(lab.prepared, f"after reconcile_node({{}}) {times}, which reports nothing")
        assert _reconciled(lab, lab.driver(), lab.case.node).settled, "reconcile_node with the section again"
        lab.made_again(whole, "with the section again")

    @applies(_without_other)
    def test_another_section_leaves_nothing_of_the_one_before(self, lab: DriverLab) -> None:
        other = lab.case.other_node
        assert other is not None
        problems = Validator(lab.info.node, "other_node").problems(other)
        assert not problems, f"other_node of the case: {problems[0]}"
        whole = lab.picture()
        lab.driver().teardown_node(lab.call())
        lab.settled(lab.prepared, "after teardown_node")
        _ready(lab, other)
        alone = lab.still()
        _ready(lab, lab.case.node)
        lab.made_again(whole, "after reconcile_node with other_node, then with node")
        _ready(lab, other)
        lab.made_again(alone, "after reconcile_node with node, then with other_node")
        _ready(lab, lab.case.node)
        lab.made_again(whole, "with node again")

    @applies(_without_other)
    def test_another_section_leaves_what_pods_use_until_they_are_gone(
        self, lab: DriverLab, options: Mapping[str, Any]
    ) -> None:
        """Also while the interface is missing: it is repaired from its record."""
        other = lab.case.other_node
        assert other is not None
        whole, pod = lab.picture(), lab.pod()
        attachment = lab.attach(lab.driver(), pod, options)
        lab.up(attachment)
        driver = _driver(lab, other)
        for times in ("once", "twice"):
            _without_grave(driver.reconcile_node(other, lab.call()))
            lab.clean_check(driver, attachment, f"check after reconcile_node with other_node {times}")
        driver.detach(attachment, lab.call())
        _without_grave(driver.reconcile_node(other, lab.call(attachments=(attachment,))))
        lab.up(attachment, driver.attach(attachment, lab.call()))
        lab.clean_check(driver, attachment, "check after another attach from the record, with other_node")
        driver.detach(attachment, lab.call())
        _ready(lab, other)
        _ready(lab, lab.case.node)
        lab.made_again(whole, "after detach, and reconcile_node with other_node, then with node")


def _without_grave(report: NodeReport) -> None:
    grave = [f"{item.code}: {item.message}" for item in report.findings if not item.advisory]
    assert not grave, f"what waits for Pods to go is an advisory finding: {grave}"


def _driver(lab: DriverLab, section: Mapping[str, Any]) -> NetworkDriver:
    return lab.driver(dataclasses.replace(lab.context, config=section))


def _reconciled(lab: DriverLab, driver: NetworkDriver, section: Mapping[str, Any]) -> NodeReport:
    report = driver.reconcile_node(section, lab.call())
    assert isinstance(report, NodeReport), f"reconcile_node returned {report!r}"
    return report


def _ready(lab: DriverLab, section: Mapping[str, Any]) -> None:
    report = _reconciled(lab, _driver(lab, section), section)
    assert report.settled, [f"{item.code}: {item.message}" for item in report.findings]
