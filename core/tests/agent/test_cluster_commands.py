"""What the commands do where the Kubernetes API is the source of the objects: they need no store of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.reports import NetworkReport, PodReport, Reports
from secnet_testing.builders import POD


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text("kubernetes: {}\nrunDir: run\nstateDir: state\n", encoding="utf-8")
    return file


def test_status_shows_the_reports_of_the_agent(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = NetworkReport(network="default/red", phase="Attached", interface="eth1", network_type="vlan")
    Reports(config.parent / "run").write(PodReport(pod=POD, networks=(network,)))
    assert main(["status", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:5] == [
        "default/web",
        "default/red",
        "eth1",
        "vlan",
        "Attached",
    ]
    assert main(["status", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["pods"][0]["pod"]["name"] == "web"
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize(
    ("kind", "word"), [("nad", "network-attachment-definitions"), ("pods", "pods"), ("ipp", "ippools")]
)
def test_get_sends_its_reader_to_kubectl(
    config: Path, capsys: pytest.CaptureFixture[str], kind: str, word: str
) -> None:
    assert main(["get", kind, "--config", str(config)]) == 1
    assert f"`kubectl get {word}`" in capsys.readouterr().err
    assert not (config.parent / "state").exists()
