"""`secnet status`: what is attached, and what is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.model.report import NetworkReport, NodeState, PodReport
from secnet.agent.state.journal import Journal
from secnet.agent.state.reports import Reports
from secnet.contract import Finding, NodeReport, NotReady
from secnet_testing.contract_objects import POD, record

ATTACHED = NetworkReport(network="default/blue", phase="Attached", interface="eth1", network_type="vlan", vlan=0)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "node.yaml").write_text("nodeName: n\nrunDir: run\n", encoding="utf-8")
    return tmp_path / "run"


def status(run_dir: Path, *options: str) -> int:
    return main(["status", *options, "--config", str(run_dir.parent / "node.yaml")])


def test_nothing_and_everything_attached(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(run_dir) == 0
    assert "no Pod of this node has secondary networks" in capsys.readouterr().out
    Reports(run_dir).write(PodReport(pod=POD, networks=(ATTACHED,)))
    assert status(run_dir) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert line.split() == ["default/web", "default/blue", "eth1", "vlan", "Attached", "-", "untagged", "-", "-"]


def test_an_error_of_a_pod_or_of_the_node_is_shown_and_is_the_exit_status(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Reports(run_dir).write(PodReport(pod=POD, error=NotReady("there is no sandbox").info))
    Reports(run_dir).write_node(NodeState(network_type="vlan", error=NotReady("no bridge").info))
    assert status(run_dir) == 1
    out = capsys.readouterr().out
    assert "Pod default/web: NotReady: there is no sandbox" in out
    assert "node n: network type vlan: NotReady: no bridge" in out


def test_a_record_that_no_report_shows_is_shown_as_well(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Reports(run_dir).write(PodReport(pod=POD, networks=(ATTACHED,)))
    journal = Journal(run_dir / "journal")
    journal.write(record("eth1"))
    journal.write(record("eth2"))
    assert status(run_dir, "--json") == 0
    pods = json.loads(capsys.readouterr().out)["pods"]
    assert [network["interface"] for pod in pods for network in pod["networks"]] == ["eth1", "eth2"]


def test_what_others_named_forges_no_line_and_reaches_no_terminal(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Pod may give its interface a name with control characters, and findings name it."""
    odd = dataclasses.replace(ATTACHED, interface="\x1b[2J", in_use="taken by \x1b[2J\nPod default/web: all is well")
    Reports(run_dir).write(PodReport(pod=POD, networks=(odd,)))
    finding = Finding(code="Odd", message="a port \x1b[2J\nnode n: all is well")
    Reports(run_dir).write_node(NodeState(network_type="vlan", report=NodeReport(findings=(finding,))))
    status(run_dir)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line.endswith("all is well") and "\\x1b[2J\\n" not in line]
