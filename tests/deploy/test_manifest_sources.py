"""The files of deploy/ as they are written, and what is generated from them. tests/kubernetes builds and applies them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from secnet_testing.documents import ROOT

DEPLOY = ROOT / "deploy"
OTHERS = {"NetworkAttachmentDefinition", "IPPool", "AntreaNodeConfig"}


def bundle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "bundle.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_each_capability_and_mount_says_why() -> None:
    """By a comment on the line before, in whatever file adds it."""
    silent = []
    for file in (*DEPLOY.rglob("daemonset.yaml"), *DEPLOY.glob("components/*/*.yaml")):
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            needs = re.match(r" +- [A-Z_]+$| +mountPropagation:| +hostNetwork:", line)
            before = lines[number - (3 if "Propagation" in line else 1)]
            if needs and not before.strip().startswith("#"):
                silent.append(f"{file.name}:{number + 1}: {line.strip()}")
    assert silent == []


def test_the_committed_bundles_are_fresh() -> None:
    done = bundle(DEPLOY, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_change_of_the_base_is_found_and_written(tmp_path: Path) -> None:
    deploy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, deploy, symlinks=True)
    base = deploy / "base/base.yaml"
    base.write_text(base.read_text() + "log: {level: debug}\n")
    stale = bundle(deploy, "--check")
    assert (stale.returncode, stale.stdout) == (1, "deploy: install.yaml is out of date: run make deploy\n")
    assert bundle(deploy).returncode == 0
    assert bundle(deploy, "--check").returncode == 0
    names = [
        re.findall(r"name: (secnet-node-base-[a-z0-9]+)", (place / "install.yaml").read_text())
        for place in (DEPLOY, deploy)
    ]
    assert len(set(names[0])) == len(set(names[1])) == 1
    assert names[0] != names[1], "the agents are rolled"


def test_no_manifest_holds_a_definition_but_crds_yaml() -> None:
    for file in (DEPLOY / "install.yaml", *DEPLOY.glob("base/*.yaml"), *DEPLOY.glob("components/*/*.yaml")):
        kinds = {obj.get("kind") for obj in yaml.safe_load_all(file.read_text()) if obj}
        assert not kinds & {"CustomResourceDefinition", *OTHERS}, file
    definitions = list(yaml.safe_load_all((DEPLOY / "crds.yaml").read_text()))
    assert {obj["kind"] for obj in definitions} == {"CustomResourceDefinition"}
    assert {obj["spec"]["names"]["kind"] for obj in definitions} == OTHERS
    assert not (DEPLOY / "chart/crds").exists()


def test_the_chart_has_the_version_of_the_workspace_and_reads_the_manifests_themselves() -> None:
    version = tomllib.loads((ROOT / "core/pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((DEPLOY / "chart/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    for name in ("base", "components"):
        assert (DEPLOY / "chart/files" / name).resolve() == DEPLOY / name


def test_the_schema_knows_each_value_and_each_component() -> None:
    schema = json.loads((DEPLOY / "chart/values.schema.json").read_text())
    values = yaml.safe_load((DEPLOY / "chart" / "values.yaml").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()
    for name in ("components", "image"):
        assert schema["properties"][name]["properties"].keys() == values[name].keys()
    assert sorted(values["components"]) == sorted(path.name for path in (DEPLOY / "components").iterdir())
