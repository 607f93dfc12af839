"""`secnet drivers`: the table, one plugin in full, and names that nothing has. The pages: test_plugin_page.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from secnet.agent.cli import main


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "node.yaml"
    file.write_text("nodeName: n\nrunDir: run\nstateDir: state\n", encoding="utf-8")
    return str(file)


def test_the_table_names_each_plugin_with_its_distribution(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers", "--json", "--config", config]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["vlan"]["distribution"] == "secnet-vlan"
    assert rows["static"]["distribution"] == "secnet-ipam"
    assert main(["drivers", "--kind", "ipam", "--config", config]) == 0
    assert "vlan" not in capsys.readouterr().out


def test_an_example_is_a_manifest(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers", "vlan", "--example", "--config", config]) == 0
    nad = yaml.safe_load(capsys.readouterr().out)
    assert json.loads(nad["spec"]["config"])["networkType"] == "vlan"


def test_a_name_that_nothing_has(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers", "vlam", "--config", config]) == 1
    assert "did you mean 'vlan'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["drivers", "--example", "--config", config])
