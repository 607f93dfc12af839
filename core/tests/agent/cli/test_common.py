"""What the commands share: options, settings, printing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import yaml
from secnet.agent.cli._common import add_config_options, load_all, print_data, print_table, require_own_objects
from secnet.agent.config.settings import KubernetesSettings, Settings
from secnet.contract import Unsupported


def test_a_table_with_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("POD", "VLAN"), [("default/web", 0), ("a/b", None)], empty="none")
    assert capsys.readouterr().out.splitlines() == ["POD          VLAN", "default/web  0", "a/b          -"]
    print_table(("POD",), [], empty="there is none")
    assert capsys.readouterr().out == "there is none\n"


def test_data_as_json_and_as_yaml_with_texts_as_in_a_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"b": "one\ntwo\n", "a": [1]}
    print_data(data, "json")
    assert json.loads(capsys.readouterr().out) == data
    print_data(data, "yaml")
    out = capsys.readouterr().out
    assert out.startswith("b: |\n")
    assert yaml.safe_load(out) == data


def test_the_state_directory_of_the_command_line_counts(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("nodeName: n\nstateDir: /from/the/file\n", encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    given = ["--config", str(tmp_path / "node.yaml")]
    assert load_all(parser.parse_args(given))[1].state_dir == Path("/from/the/file")
    given += ["--state-dir", "/from/the/line"]
    assert load_all(parser.parse_args(given))[1].state_dir == Path("/from/the/line")


def test_objects_of_the_api_are_not_ours_to_write() -> None:
    require_own_objects(Settings(node_name="n"), None, "use kubectl")
    with pytest.raises(Unsupported, match="in the Kubernetes API") as caught:
        require_own_objects(Settings(node_name="n", kubernetes=KubernetesSettings()), Path("x"), "use kubectl")
    assert (caught.value.hint, caught.value.path) == ("use kubectl", "$.kubernetes")


def test_the_environment_names_the_configuration_unless_the_command_line_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("environment", "line"):
        (tmp_path / f"{name}.yaml").write_text(f"nodeName: n\nrunDir: /of/the/{name}\n", encoding="utf-8")
    monkeypatch.setenv("SECNET_CONFIG", str(tmp_path / "environment.yaml"))
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    assert load_all(parser.parse_args([]))[1].run_dir == Path("/of/the/environment")
    given = ["--config", str(tmp_path / "line.yaml")]
    assert load_all(parser.parse_args(given))[1].run_dir == Path("/of/the/line")
