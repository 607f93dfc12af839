"""Reports on disk, for other processes to read at any moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from secnet.agent.model.problem import Problem
from secnet.agent.model.report import NodeState, PodReport, SingleReport
from secnet.agent.state.reports import Reports
from secnet.contract import AttachmentId, NotReady, PodRef

ERROR = NotReady("later").info


def report(name: str, uid: str) -> PodReport:
    return PodReport(pod=PodRef(namespace="default", name=name, uid=uid), error=ERROR)


def test_reports_by_pod_in_the_order_of_their_names(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.write(report("web", "a/../b"))
    reports.write(report("db", "u2"))
    assert [item.pod.name for item in Reports(tmp_path).pods()] == ["db", "web"]
    assert reports.pods()[0].updated > 0
    assert reports.has("a/../b")
    reports.remove("a/../b")
    reports.remove("a/../b")
    assert [item.pod.name for item in reports.pods()] == ["db"]


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.write(report("db", "u2"))
    (tmp_path / "reports/broken.json").write_text("{", encoding="utf-8")
    assert [item.pod.name for item in reports.pods()] == ["db"]


def test_the_node_its_problems_and_single_networks(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    assert (reports.node(), reports.problems(), reports.single()) == ((), (), ())
    state = NodeState(network_type="vlan", error=ERROR)
    single = SingleReport(key=AttachmentId(container_id="c1", ifname="eth1"), error=ERROR)
    problem = Problem(source="a.yaml", message="is bad", hint="", since="2026-01-01T00:00:00Z")
    reports.write_node(state)
    reports.write_single([single])
    reports.write_problems([problem])
    fresh = Reports(tmp_path)
    assert (fresh.node(), fresh.single(), fresh.problems()) == ((state,), (single,), (problem,))


def test_a_uid_longer_than_a_file_name_has_a_report(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.write(report("web", "u" * 300))
    assert reports.has("u" * 300)
    assert [item.pod.uid for item in Reports(tmp_path).pods()] == ["u" * 300]
    reports.remove("u" * 300)
    assert reports.pods() == ()


def test_the_reports_are_roots_alone(tmp_path: Path) -> None:
    Reports(tmp_path).write(report("web", "u1"))
    assert stat.S_IMODE(os.stat(tmp_path / "reports").st_mode) == 0o700
