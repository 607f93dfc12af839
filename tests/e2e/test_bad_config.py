"""A node configuration that is wrong: `validate` and the agent name file, path and remedy, and the agent does not start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from secnet_testing.node_inspection import secnet

CASES = {
    "unknown-key": ("ovsBridge: []\nnodeName: a\n", "$.ovsBridge", "ovsBridges"),
    "node-name": ("nodeName: A_b\n", "$.nodeName", "A_b"),
    "datapath": ("datapathType: kernel\n", "$.datapathType", "system"),
    "ovsdb": ("ovsdb: /var/run/db.sock\n", "$.ovsdb", "unix:"),
    "workers": ("workers: {count: 0}\n", "$.workers.count", "0"),
    "interval": ("workers: {checkInterval: fast}\n", "$.workers.checkInterval", "fast"),
    "bridge-name": ("ovsBridges: [{physicalInterfaces: [eth1]}]\n", "$.ovsBridges[0].bridgeName", "bridgeName"),
    "br-int": ("ovsBridges: [{bridgeName: br-int}]\n", "$.ovsBridges[0].bridgeName", "br-int"),
    "uplinks": (
        f"ovsBridges: [{{bridgeName: b, physicalInterfaces: {[f'e{n}' for n in range(9)]}}}]\n",
        "$.ovsBridges[0].physicalInterfaces",
        "8",
    ),
    "twice": ("ovsBridges: []\ndrivers: {vlan: {ovsBridges: []}}\n", "$.drivers.vlan.ovsBridges", "$.ovsBridges"),
    "driver": ("drivers: {vlna: {}}\n", "$.drivers.vlna", "vlan"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configurations")
    for name, (text, _, _) in CASES.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def findings(files: Path) -> dict[str, list[dict[str, str]]]:
    """What `validate` finds in all of them at once, by file."""
    done = secnet("validate", files, "--json")
    assert done.returncode == 1, done.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for item in json.loads(done.stdout)["findings"]:
        found.setdefault(Path(item["file"]).stem, []).append(item)
    return found


@pytest.mark.parametrize("name", CASES)
def test_validate_names_path_and_remedy(findings: dict[str, list[dict[str, str]]], name: str) -> None:
    _, path, says = CASES[name]
    assert [item["path"] for item in findings[name]] == [path]
    item = findings[name][0]
    assert says in f"{item['message']}; {item['hint']}"
    assert (item["object"], bool(item["hint"])) == ("node configuration", True)


@pytest.mark.parametrize("name", ["unknown-key", "br-int", "driver"])
@pytest.mark.parametrize("command", [["agent"], ["status"]], ids=lambda command: command[0])
def test_no_command_runs_with_it(files: Path, name: str, command: list[str]) -> None:
    done = secnet(*command, "--config", files / f"{name}.yaml")
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert f"{files / name}.yaml: {CASES[name][1]}" in lines[0]


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = secnet("agent", "--config", tmp_path / "none.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"{tmp_path / 'none.yaml'}: cannot be read" in done.stderr


def test_two_documents_in_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("nodeName: a\n---\nnodeName: b\n", encoding="utf-8")
    done = secnet("agent", "--config", file)
    assert done.returncode == 1
    assert "line 3" in done.stderr
