"""The projects of tests/thirdparty, as third parties ship them: wheels beside ours in an environment without this tree.

A new folder there is built, installed and run through its own tests without a change here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.netns import Namespace, NetnsFactory, ping, run_in
from secnet_testing.node_inspection import addresses, link
from secnet_testing.objects import as_manifest, nad, pod
from secnet_testing.thirdparty import ROOT, CleanVenv

pytestmark = pytest.mark.thirdparty

PROJECTS = sorted(file.parent for file in (ROOT / "tests" / "thirdparty").glob("*/pyproject.toml"))
GROUPS = {"secnet.network_types": "network type", "secnet.ipam": "ipam"}


def table_of(project: Path) -> dict[str, Any]:
    """The [project] table of a project."""
    table: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return table


def plugins_of(project: Path) -> list[tuple[str, str]]:
    """Kind and name of each plugin, as `secnet drivers` calls them."""
    points = table_of(project)["entry-points"]
    return [(kind, name) for group, kind in GROUPS.items() for name in points.get(group, {})]


PLUGINS = [(project, kind, name) for project in PROJECTS for kind, name in plugins_of(project)]


def node_configuration(folder: Path) -> Path:
    """A node configuration whose directories lie in `folder`."""
    file = folder / "node.yaml"
    file.write_text(f"nodeName: node-1\nrunDir: {folder}/run\nstateDir: {folder}/state\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def venv(clean_venv: CleanVenv) -> Iterator[CleanVenv]:
    """With every project of tests/thirdparty."""
    with clean_venv.having(*PROJECTS):
        yield clean_venv


def ids(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


def test_there_is_a_driver_and_a_backend() -> None:
    assert {kind for _, kind, _ in PLUGINS} == set(GROUPS.values())


@pytest.mark.parametrize("project", PROJECTS, ids=ids)
def test_it_is_a_project_of_its_own(project: Path) -> None:
    """Nothing of it is known to the workspace, and it needs nothing but what is published."""
    members = subprocess.run([ROOT / "tools" / "members"], capture_output=True, text=True, check=True).stdout.split()
    assert str(project.relative_to(ROOT)) not in members
    assert table_of(project)["name"] == project.name
    sources = [file.read_text() for file in (project / "src").rglob("*.py")]
    assert [text for text in sources if "secnet.agent" in text or "secnet_testing" in text] == []


@pytest.mark.parametrize(("project", "kind", "name"), PLUGINS, ids=ids)
def test_no_file_of_the_core_knows_it(project: Path, kind: str, name: str) -> None:
    """Git is asked for the type and for the names of distribution and package.

    `secnet.linux` and the doctor may name kinds of links as the kernel does, and a test of the core somebody's CNI plugin of
    the same name.
    """
    package = project.name.replace("-", "_")
    assert mentions("core", project.name, package) == set()
    assert mentions("core", name, package.removeprefix("secnet_")) <= {
        "core/src/secnet/linux",
        "core/src/secnet/agent/doctor",
        "core/tests",
    }


def mentions(below: str, *words: str) -> set[str]:
    """Where in the core files lie that hold one of the words: its tests, or a package of its source."""
    patterns = [item for word in words for item in ("-e", word)]
    command = ["git", "grep", "-iIFl", *patterns, "--", below]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {"core/tests" if "/tests/" in file else file.rpartition("/")[0] for file in done.stdout.split()}


@pytest.mark.parametrize(("project", "kind", "name"), PLUGINS, ids=ids)
def test_drivers_lists_it_as_ready(venv: CleanVenv, project: Path, kind: str, name: str, tmp_path: Path) -> None:
    """On a node where an agent has been, and so made the run directory."""
    (tmp_path / "run").mkdir()
    done = venv.run("secnet", "drivers", "--json", "--config", node_configuration(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = [row for row in json.loads(done.stdout) if (row["kind"], row["name"]) == (kind, name)]
    assert (row["distribution"], row["version"]) == (project.name, table_of(project)["version"])
    assert row["state"] == "ready"


@pytest.mark.parametrize(("project", "kind", "name"), PLUGINS, ids=ids)
def test_drivers_with_its_name_shows_options_and_a_valid_nad(
    venv: CleanVenv, project: Path, kind: str, name: str
) -> None:
    (facts,) = json.loads(venv.run("secnet", "drivers", name, "--json").stdout)
    page = venv.run("secnet", "drivers", name).stdout
    assert facts["options"]["properties"]
    for key in facts["options"]["properties"]:
        assert f"\n{key} " in page
    assert f"{project.name} {table_of(project)['version']}" in page
    example = venv.run("secnet", "drivers", name, "--example").stdout
    assert page.endswith(f"\n\n{example}")
    done = venv.run("secnet", "validate", "-f", "-", stdin=example)
    assert (done.returncode, done.stdout) == (0, "1 object in 1 file: no findings\n")


def picture(node: Namespace, pods: dict[str, Namespace]) -> HostSnapshot:
    paths = {"node": node.path} | {name: ns.path for name, ns in pods.items()}
    return HostSnapshot.take(paths, current=False, netns_dir=Path("/nonexistent"))


RANGE = {"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.10", "rangeEnd": "10.9.0.20", "gateway": "10.9.0.1"}


@pytest.mark.parametrize("ipam", [{"type": "static"}, {"type": "node-local", **RANGE}], ids=["ours", "third-party"])
def test_two_pods_on_a_third_party_network(
    venv: CleanVenv, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path, ipam: dict[str, str]
) -> None:
    """With addresses that our own backend or another third party's gives."""
    requires_link_kind("veth", "macvlan")
    run_in(None, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"])
    for end in ("up0", "up1"):
        # Without link-local addresses, which the kernel gives when it gets to it: the pictures would differ.
        run_in(None, ["ip", "link", "set", end, "addrgenmode", "none", "up"])
    pods = {"left": netns_factory(), "right": netns_factory()}
    before = picture(node_netns, pods)

    network = nad("factory", network_type="macvlan", ipam=ipam, master="up0")
    config, manifests = node_configuration(tmp_path), tmp_path / "manifests"
    manifests.mkdir()
    insisting = {"left": ["10.9.0.18/24"], "right": ["10.9.0.19/24"]} if ipam["type"] == "static" else {}
    chosen = {name: {"name": "factory"} | ({"ips": insisting[name]} if insisting else {}) for name in pods}
    objects = [network, *(pod(name, ns.path, [chosen[name]]) for name, ns in pods.items())]
    (manifests / "all.yaml").write_text(as_manifest(*objects), encoding="utf-8")
    assert venv.run("secnet", "validate", manifests, config).returncode == 0

    done = venv.run("secnet", "apply", manifests, "--config", config, "--timeout", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    given = {name: addresses(ns, "eth1") for name, ns in pods.items()}
    assert all(len(found) == 1 and found[0].startswith("10.9.0.") for found in given.values()), given
    assert given["left"] != given["right"]
    assert {link(ns, "eth1")["linkinfo"]["info_kind"] for ns in pods.values()} == {"macvlan"}
    assert ping(pods["left"], given["right"][0].split("/")[0])
    assert ping(pods["right"], given["left"][0].split("/")[0])

    status = venv.run("secnet", "status", "--config", config)
    assert status.returncode == 0, status.stdout + status.stderr
    for found in given.values():
        assert found[0] in status.stdout
    done = venv.run("secnet", "delete", manifests, "--config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.listdir(tmp_path / "run" / "journal") == []
    lines = diff(before, picture(node_netns, pods))
    assert not lines, "\n".join(lines)
    after = json.loads(venv.run("secnet", "status", "--json", "--config", config).stdout)
    assert after["pods"] == []


@pytest.mark.timeout(900)  # a whole conformance run with kills and faults at each step
@pytest.mark.parametrize("project", PROJECTS, ids=ids)
def test_it_passes_the_kit_and_its_own_tests(venv: CleanVenv, project: Path, tmp_path: Path) -> None:
    """From a copy without its source, so that what is tested is the wheel."""
    copy = tmp_path / project.name
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("src", "__pycache__", ".pytest_cache"))
    done = venv.run("pytest", "--secnet-strict", "-q", "-p", "no:cacheprovider", "tests", cwd=copy, timeout=850)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
