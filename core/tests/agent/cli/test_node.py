"""`secnet node teardown`: when it refuses, and where there is nothing. What it removes: attach/test_node_teardown.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import RunDirLock
from secnet_testing.contract_objects import record


def teardown(folder: Path) -> int:
    config = folder / "node.yaml"
    config.write_text(json.dumps({"nodeName": "n", "runDir": "run", "stateDir": "state"}), encoding="utf-8")
    return main(["node", "teardown", "--config", str(config)])


def test_a_node_on_which_no_driver_made_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teardown(tmp_path) == 0
    assert capsys.readouterr().out == "no driver has made anything on this node\n"


def test_it_refuses_while_an_attachment_exists_or_an_agent_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(tmp_path / "run/journal").write(record())
    assert teardown(tmp_path) == 1
    assert "nothing is removed, for 1 attachments exist" in capsys.readouterr().out
    agent = RunDirLock(tmp_path / "run")
    agent.acquire("secnet agent")
    assert teardown(tmp_path) == 1
    assert "secnet agent" in capsys.readouterr().err
    agent.release()
