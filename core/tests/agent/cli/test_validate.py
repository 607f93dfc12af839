"""`secnet validate`: which files it takes, and its exit status. What it finds in them: validate/test_offline.py."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from secnet.agent.cli import main

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def test_a_directory_a_file_twice_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(POD, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no manifest", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(POD.replace("web", "db").encode())))
    assert main(["validate", str(tmp_path), str(tmp_path / "a.yaml"), "-"]) == 0
    assert capsys.readouterr().out == "2 objects in 2 files: no findings\n"


def test_what_cannot_be_read_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "worse.json").write_text("{", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("empty", "bad.yaml", "worse.json", "none.yaml")]
    assert main(["validate", "--json", *files]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {Path(item["file"]).name for item in findings} == {"empty", "bad.yaml", "worse.json", "none.yaml"}
    assert all(item["hint"] for item in findings)


def test_without_a_file_the_command_line_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["validate"])
    assert caught.value.code == 2
    assert "name files or directories" in capsys.readouterr().err


def test_a_node_configuration_is_checked_with_its_drop_ins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.d").mkdir()
    (tmp_path / "node.yaml").write_text("manifests: /x\n", encoding="utf-8")
    (tmp_path / "node.d/10-sync.yaml").write_text("kubernetes: {}\ncni: {confdir: /x}\n", encoding="utf-8")
    assert main(["validate", str(tmp_path / "node.yaml")]) == 1
    found = capsys.readouterr().out
    assert found.startswith(f"{tmp_path}/node.d/10-sync.yaml:1: node configuration: $.cni.confdir: unknown key")
    (tmp_path / "node.d/10-sync.yaml").write_text("cni: [", encoding="utf-8")
    assert main(["validate", str(tmp_path / "node.yaml")]) == 1
    assert "node.d/10-sync.yaml: line " in capsys.readouterr().out
    (tmp_path / "node.d/10-sync.yaml").write_text("cni: {}", encoding="utf-8")
    assert main(["validate", str(tmp_path)]) == 0


def test_config_is_a_node_configuration_whatever_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("bridges: []\n", encoding="utf-8")
    assert main(["validate", "--config", str(file)]) == 1
    assert "node configuration: $.bridges: unknown key" in capsys.readouterr().out
    file.write_text("- a\n", encoding="utf-8")
    assert main(["validate", "--config", str(file)]) == 1
    assert "where keys and values are required" in capsys.readouterr().out


def test_a_configuration_of_drop_ins_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(tmp_path / "node.yaml")
    assert main(["validate", "--config", config]) == 1
    assert "node.yaml: cannot be read" in capsys.readouterr().out
    (tmp_path / "node.d/90-node").mkdir(parents=True)
    file = tmp_path / "node.d/90-node/node.yaml"
    file.write_text("log: {level: debug}\n", encoding="utf-8")
    assert main(["validate", "--config", config]) == 0
    file.write_text("log: {level: loud}\n", encoding="utf-8")
    assert main(["validate", "--config", config]) == 1
    assert capsys.readouterr().out.splitlines()[-2].startswith(f"{file}:1: node configuration: $.log.level")


def test_an_empty_configuration_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.yaml").write_text("# nothing\n", encoding="utf-8")
    assert main(["validate", "--config", str(tmp_path / "node.yaml")]) == 0
