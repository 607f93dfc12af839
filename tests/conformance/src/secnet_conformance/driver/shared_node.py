"""Per-node state beside what others do there: Pods that use it, a deletion by hand, an object that has its name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from secnet.contract import NodeReport, SecnetError

from .lab import DriverLab, DriverTests
from .node import without_node_state

__all__ = ["SharedNode"]

_FOREIGN_SECONDS = 3.0
"""For a reconcile_node that cannot succeed: a service may be waited for."""

_HELD = "tun"
"""Kind of a link that lives by the descriptor of a process, such as a bridge of Open vSwitch in userspace: its business."""


class SharedNode(DriverTests):
    """What reconcile_node made is used, deleted, or in conflict."""

    group = "node"

    @staticmethod
    def why_not(case: Any) -> str:
        return without_node_state(case)

    def test_teardown_leaves_what_is_in_use_and_is_completed_later(self, lab: DriverLab) -> None:
        driver, pod, pristine = lab.driver(), lab.pod(), lab.picture()
        attachment = lab.attach(driver, pod)
        lab.up(attachment)
        lab.clean_check(driver, attachment)
        with suppress(SecnetError):  # that something is in use may be said so
            driver.teardown_node(lab.call())
        lab.clean_check(driver, attachment, "check after teardown_node, which leaves what is in use")
        driver.detach(attachment, lab.call())
        driver.teardown_node(lab.call())
        lab.settled(lab.prepared, "after detach, and another teardown_node")
        _reconcile(lab)
        lab.made_again(pristine, "after another reconcile_node")

    def test_what_someone_deletes_is_made_again_or_reported(self, lab: DriverLab) -> None:
        whole = lab.picture()
        for name in _made(lab):
            if _link(lab, name)["kind"] == _HELD:
                continue
            lab.host.run(f"ip link del {name}", check=False)  # one that cannot be deleted stays
            if name in lab.node_links() or _reconcile(lab, must=False) is None:
                continue
            lab.made_again(whole, f"after {name} was deleted, and reconcile_node")

    def test_a_link_that_has_a_name_of_the_nodes_state_is_reported_and_survives(self, lab: DriverLab) -> None:
        for name in _made(lab):
            lab.driver().teardown_node(lab.call())
            lab.settled(lab.prepared, "after teardown_node")
            lab.host.run(f"ip link add {name} type bridge")
            before = _link(lab, name)
            ready = _reconcile(lab, must=False, seconds=_FOREIGN_SECONDS)
            assert _link(lab, name) == before, f"reconcile_node changed the foreign link {name}"
            assert ready is None, f"reconcile_node takes the foreign link {name} for its own"
            lab.driver().teardown_node(lab.call())
            assert _link(lab, name) == before, f"teardown_node changed the foreign link {name}"
            lab.host.run(f"ip link del {name}")
        _reconcile(lab)


def _made(lab: DriverLab) -> list[str]:
    """Links of the reconciled node that were not there before."""
    before = lab.prepared.to_json()["namespaces"]["node"]["links"]
    return sorted(lab.node_links() - set(before))


def _link(lab: DriverLab, name: str) -> Any:
    return lab.picture().to_json()["namespaces"]["node"]["links"].get(name)


def _reconcile(lab: DriverLab, *, must: bool = True, seconds: float = 30.0) -> NodeReport | None:
    """The report; None if it has findings or there is none but an error, which is a failure if it `must` be ready."""
    try:
        report = lab.driver().reconcile_node(lab.context.config, lab.call(seconds=seconds))
    except SecnetError:
        if must:
            raise
        return None
    assert report.ready or not must, [f"{item.code}: {item.message}" for item in report.findings]
    return report if report.settled else None
