"""`secnet doctor` as a command. What each check finds: the tests of secnet.agent.doctor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.cli.doctor import open_api
from secnet.agent.config.settings import KubernetesSettings, Settings
from secnet_testing.kubeapi.process import KubeApiProcess


def test_every_result_is_printed_and_a_failure_is_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "node.yaml"
    bridges = {"vlan": {"ovsBridges": [{"bridgeName": "br1"}]}}
    content = {"nodeName": "n", "ovsdb": f"unix:{tmp_path}/none.sock", "drivers": bridges}
    config.write_text(json.dumps(content), encoding="utf-8")
    assert main(["doctor", "--json", "--config", str(config)]) == 1
    levels = {item["what"]: item["level"] for item in json.loads(capsys.readouterr().out)}
    assert levels["Open vSwitch"] == "FAIL"
    assert main(["doctor", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(levels)
    assert any(line.startswith("FAIL  Open vSwitch: ") for line in lines)


def test_the_api_is_asked_only_where_it_is_the_source(tmp_path: Path, kubeapi: KubeApiProcess) -> None:
    assert open_api(Settings(node_name="n")) == (None, ())
    settings = KubernetesSettings(kubeconfig=kubeapi.kubeconfig(tmp_path / "kubeconfig"))
    reader, rules = open_api(Settings(node_name="n", kubernetes=settings))
    assert reader is not None
    assert rules
    assert reader.get("/version")["major"] == "1"
    reader.close()
