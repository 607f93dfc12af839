"""`secnet drivers NAME` for every installed plugin, ours and third-party alike: the page, the data, and a NAD that is valid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.thirdparty import CleanVenv, write_project

pytestmark = pytest.mark.thirdparty

DRIVERS, BACKENDS = "secnet.network_types", "secnet.ipam"

OPTIONS = """options={
    "title": "T", "description": "D", "type": "object", "additionalProperties": False, "required": ["lane"],
    "properties": {
        "lane": {"title": "L", "description": "Lane to use", "type": "integer", "minimum": 1, "maximum": 9, "examples": [4]},
        "paint": {
            "title": "P", "description": "How it looks", "type": "object", "additionalProperties": False, "examples": [{}],
            "properties": {"hue": {"title": "H", "description": "Its colour", "enum": ["red", "blue"], "examples": ["red"],
                                   "default": "blue"}},
        },
    },
}, example={"lane": 3}, capabilities=frozenset({"mac"}), needs_device=True,
needs=Needs(programs=("ladder",), link_kinds=("veth",)),
node={
    "title": "N", "description": "D", "type": "object", "additionalProperties": False,
    "properties": {"roads": {"title": "R", "description": "Roads of the node", "type": "array", "items": {"type": "string"},
                             "examples": [["a1"]]}},
}"""


@pytest.fixture(scope="module")
def venv(clean_venv: CleanVenv, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanVenv]:
    """With a driver that has everything, and a distribution whose one name is a network type and an IPAM type."""
    folder = tmp_path_factory.mktemp("projects")
    lanes = write_project(folder, "lanes", versions=[1], said=OPTIONS)
    with clean_venv.having(lanes, write_project(folder, "twin", groups=[DRIVERS, BACKENDS])):
        yield clean_venv


def page(venv: CleanVenv, *args: str, columns: int = 120) -> str:
    done = venv.run("secnet", "drivers", *args, columns=columns)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(venv: CleanVenv) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(page(venv, "--json"))
    return found


def test_the_example_of_every_plugin_is_valid_as_it_stands(venv: CleanVenv) -> None:
    names = [(row["name"], "ipam" if row["kind"] == "ipam" else "networkType") for row in rows(venv)]
    assert len(names) >= 9
    for name, kind in names:
        example = page(venv, name, "--kind", kind, "--example")
        assert example.startswith("apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n")
        done = venv.run("secnet", "validate", "-f", "-", stdin=example)
        assert (done.returncode, done.stdout, done.stderr) == (0, "1 object in 1 file: no findings\n", ""), name
        assert page(venv, name, "--kind", kind).endswith("\n\n" + example), name


def test_a_spoilt_example_is_not_valid_and_json_is(venv: CleanVenv) -> None:
    as_json = page(venv, "vlan", "--example", "--json")
    assert venv.run("secnet", "validate", "-", stdin=as_json).returncode == 0
    spoilt = as_json.replace("cniVersion", "cniVersoin")
    assert venv.run("secnet", "validate", "-", stdin=spoilt).returncode == 1


def test_the_page_of_a_driver_says_all_that_it_says_of_itself(venv: CleanVenv) -> None:
    text = page(venv, "lanes")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "lanes: a third-party network type",
        "kind network type, in a NAD networkType: lanes",
        "distribution secnet-lanes 3.4",
        "state ready",
        "contract version 1",
        "honours mac of the annotation",
        "device one for each interface, from a device plugin",
        "VLANs no",
        "needs link kinds veth; programs ladder",
        "KEY TYPE DEFAULT MEANING",
        "lane integer, 1 to 9 required Lane to use. For example 4.",
        "paint object - How it looks. For example {}.",
        'paint.hue "red" or "blue" "blue" Its colour. For example "red".',
        "Keys of the section drivers.lanes in the node configuration:",
        'roads list of string - Roads of the node. For example ["a1"].',
        "k8s.v1.cni.cncf.io/resourceName: example.com/lanes",
    ):
        assert line in lines, text
    assert "Keys of every config: cniVersion, name, type, networkType, mtu, ipam, " in text
    assert "docs/configuration.md" in text


def test_the_data_is_the_same_as_the_page(venv: CleanVenv) -> None:
    (facts,) = json.loads(page(venv, "lanes", "--json"))
    assert [key["key"] for key in facts["keys"]] == ["lane", "paint", "paint.hue"]
    assert [key["key"] for key in facts["nodeKeys"]] == ["roads"]
    assert (facts["needsDevice"], facts["contract"], facts["state"]) == (True, 1, "ready")
    assert facts["options"]["required"] == ["lane"]
    assert json.loads(facts["example"]["spec"]["config"])["lane"] == 3


def test_a_name_that_is_both_shows_both(venv: CleanVenv) -> None:
    both = json.loads(page(venv, "twin", "--json"))
    assert [facts["kind"] for facts in both] == ["network type", "ipam"]
    text = page(venv, "twin")
    assert "a third-party network type" in text
    assert "third-party addresses" in text
    assert "a third-party network type" not in page(venv, "twin", "--kind", "ipam")
    done = venv.run("secnet", "validate", "-", stdin=page(venv, "twin", "--kind", "networkType", "--example"))
    assert done.returncode == 0
    both_nads = page(venv, "twin", "--example")
    assert both_nads.count("---\n") == 2
    assert venv.run("secnet", "validate", "-", stdin=both_nads).returncode == 0, "their names differ"
    as_data = json.loads(page(venv, "twin", "--example", "--json"))
    assert [nad["metadata"]["name"] for nad in as_data] == ["twin-example", "twin-ipam-example"]


def test_the_example_of_a_backend_names_a_driver_that_is_there(venv: CleanVenv) -> None:
    installed = {row["name"]: row for row in rows(venv) if row["kind"] == "network type"}
    (facts,) = json.loads(page(venv, "static", "--json"))
    config = json.loads(facts["example"]["spec"]["config"])
    assert config["networkType"] in installed
    assert config["networkType"] != "lanes", "it needs a device, and others do not"


def test_a_name_that_no_one_has(venv: CleanVenv) -> None:
    done = venv.run("secnet", "drivers", "lnaes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no plugin 'lnaes' is installed (installed: antrea, lanes, " in done.stderr
    other_kind = venv.run("secnet", "drivers", "vlan", "--kind", "ipam")
    assert other_kind.returncode == 1
    assert "vlan is installed as a network type, not as an IPAM type" in other_kind.stderr
    assert venv.run("secnet", "drivers", "").returncode == 2
    assert venv.run("secnet", "drivers", "--example").returncode == 2


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_page_keeps_to_the_width_of_the_terminal(venv: CleanVenv, columns: int) -> None:
    text = page(venv, "lanes", columns=columns).partition("apiVersion")[0]
    widest = max(len(line) for line in text.splitlines() if "--example" not in line)
    # The columns before the last one, and the least that is left to that one, take their room on any terminal.
    assert widest <= max(columns, 90)


def test_validate_reads_standard_input_beside_files(venv: CleanVenv, tmp_path: Path) -> None:
    file = tmp_path / "nad.yaml"
    file.write_text(page(venv, "vlan", "--example"))
    done = venv.run("secnet", "validate", file, "-", stdin=page(venv, "static", "--example"))
    assert (done.returncode, done.stdout) == (0, "2 objects in 2 files: no findings\n")
    wrong = venv.run("secnet", "validate", "-", stdin="kind: [")
    assert (wrong.returncode, wrong.stdout[:2]) == (1, "-:")
    assert "Traceback" not in wrong.stderr
    none = venv.run("secnet", "validate")
    assert none.returncode == 2
    assert "name files or directories" in none.stderr
