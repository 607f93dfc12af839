"""`secnet topology`: what it prints, what it writes, its exit status."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.model.report import NetworkReport, PodReport
from secnet.agent.state.reports import Reports
from secnet.contract import ErrorInfo, PodRef

SVG = "{http://www.w3.org/2000/svg}"


def _pod(name: str, *networks: NetworkReport, namespace: str = "default", error: ErrorInfo | None = None) -> PodReport:
    return PodReport(pod=PodRef(namespace=namespace, name=name, uid=name), networks=networks, error=error)


def _network(vlan: int | None = 100, ifname: str = "eth1", bridge: str = "br1", **rest: object) -> NetworkReport:
    given = {
        "network": "default/red",
        "phase": "Attached",
        "network_type": "vlan",
        "addresses": ("10.0.0.5/24",),
        **rest,
    }
    return NetworkReport(vlan=vlan, interface=ifname, details={"bridge": bridge} if bridge else {}, **given)  # type: ignore[arg-type]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text("nodeName: n\nrunDir: run\n", encoding="utf-8")
    Reports(tmp_path / "run").write(_pod("web", _network()))
    return file


def test_the_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "--config", str(config)]) == 0
    assert "10.0.0.5/24" in capsys.readouterr().out
    picture = config.parent / "a.svg"
    assert main(["topology", "--svg", str(picture), "--config", str(config)]) == 0
    assert ET.parse(picture).getroot().tag == f"{SVG}svg"
    Reports(config.parent / "run").write(_pod("web", _network(phase="Degraded")))
    assert main(["topology", "--config", str(config)]) == 1
    assert main(["topology", "--svg", str(config.parent / "no" / "a.svg"), "--config", str(config)]) == 1
    assert "cannot write" in capsys.readouterr().err
