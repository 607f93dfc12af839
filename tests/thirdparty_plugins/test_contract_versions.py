"""Drivers that were built for another version of the contract, as real wheels: refused by name, wherever somebody meets them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import CONTRACT_VERSION
from secnet_testing.agent_process import AgentProcess
from secnet_testing.netns import Namespace, NetnsFactory
from secnet_testing.objects import as_manifest, nad, pod
from secnet_testing.thirdparty import CleanVenv, write_project

pytestmark = pytest.mark.thirdparty

NEWER = CONTRACT_VERSION + 1
OURS = {"secnet-vlan", "secnet-sriov", "secnet-ipam"}
SECNET = metadata.version("secnet")

# What such a driver holds: the name of a class, or a field of its description, that this contract does not have.
FOREIGN_NAME = "from secnet.contract import NoSuchContractName"
FOREIGN_FIELD = "no_such_field=True"


def words(name: str, version: int) -> str:
    """What every refusal says."""
    return (
        f"secnet-{name} 3.4 is made for contract version {version}; "
        f"this secnet {SECNET} has contract version {CONTRACT_VERSION}"
    )


@pytest.fixture(scope="module")
def venv(clean_venv: CleanVenv, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanVenv]:
    """With a driver of the next version, in both ways of saying it, and silent ones. No version came before the first."""
    folder = tmp_path_factory.mktemp("projects")
    with clean_venv.having(
        write_project(folder, "newer", versions=[NEWER], head=FOREIGN_NAME),
        write_project(folder, "field", versions=[NEWER], said=FOREIGN_FIELD),
        write_project(folder, "newsay", said=f"contract={NEWER}, options=[]"),
        write_project(folder, "silent", head=FOREIGN_NAME),
        write_project(folder, "current", versions=[CONTRACT_VERSION]),
        write_project(folder, "bridging", versions=[CONTRACT_VERSION, NEWER], said="contract=CONTRACT_VERSION"),
    ):
        yield clean_venv


REFUSED = {"newer": NEWER, "field": NEWER, "newsay": NEWER}


OUR_VERSIONS = """
from importlib.metadata import distributions
points = {dist.name: dist.entry_points for dist in distributions()}
plugins = [name for name, found in points.items() if {"secnet.network_types", "secnet.ipam"} & {item.group for item in found}]
print({name: [item.name for item in points[name] if item.group == "secnet.contract"] for name in plugins})
"""


def test_our_own_wheels_name_their_version(clean_venv: CleanVenv) -> None:
    found = ast.literal_eval(clean_venv.run("python", "-c", OUR_VERSIONS).stdout)
    assert found.keys() >= OURS
    assert {tuple(versions) for name, versions in found.items() if name in OURS} == {(str(CONTRACT_VERSION),)}


def test_drivers_lists_them_as_refused_and_the_others_as_ready(venv: CleanVenv) -> None:
    done = venv.run("secnet", "drivers", "--json")
    assert done.returncode == 1, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    for name, version in REFUSED.items():
        assert rows[name]["state"] == f"refused: {words(name, version)}"
        assert (rows[name]["distribution"], rows[name]["version"]) == (f"secnet-{name}", "3.4")
        assert f"driver {name} of secnet-{name} 3.4: {words(name, version)}; " in done.stderr
    assert {rows[name]["state"] for name in ("current", "bridging")} == {"ready"}
    assert "secnet-silent 3.4 does not say for which contract version it was made" in done.stderr
    assert "secnet-silent 3.4" in venv.run("secnet", "drivers", "silent").stdout
    assert words("newer", NEWER) in venv.run("secnet", "drivers").stdout


@pytest.mark.parametrize("name", ["newer", "field"])
def test_drivers_with_its_name_says_why_and_what_to_do(venv: CleanVenv, name: str) -> None:
    what_to_do = "secnet is older: upgrade it"
    done = venv.run("secnet", "drivers", name)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert words(name, REFUSED[name]) in said
    assert what_to_do in said
    assert "not installed" not in said
    (facts,) = json.loads(venv.run("secnet", "drivers", name, "--json").stdout)
    assert facts["reason"] == "ContractViolation"
    assert what_to_do in facts["hint"]
    example = venv.run("secnet", "drivers", name, "--example")
    assert (example.returncode, example.stdout) == (1, "")
    assert words(name, REFUSED[name]) in example.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_validate_gives_that_reason_for_a_network(venv: CleanVenv, name: str) -> None:
    done = venv.run("secnet", "validate", "-", stdin=as_manifest(nad("net", network_type=name)))
    assert done.returncode == 1
    assert (
        f"$.networkType: network type {name} is installed but not usable: {words(name, REFUSED[name])}; " in done.stdout
    )
    assert "older" in done.stdout


def settings(folder: Path) -> Path:
    """A node configuration whose directories lie in `folder`."""
    file = folder / "node.yaml"
    (folder / "manifests").mkdir()
    file.write_text(
        f"nodeName: node-1\nrunDir: {folder}/run\nstateDir: {folder}/state\nmanifests: {folder}/manifests\n",
        encoding="utf-8",
    )
    return file


def network_errors(venv: CleanVenv, config: Path) -> dict[str, dict[str, Any]]:
    """The error of each network of the Pod `web`, by interface, as `secnet status` gives it."""
    reports = json.loads(venv.run("secnet", "status", "--json", "--config", config).stdout)["pods"]
    return {item["interface"]: item["error"] for report in reports for item in report["networks"] if item.get("error")}


def test_apply_and_the_status_of_a_pod_give_that_reason(
    venv: CleanVenv, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    config, pods = settings(tmp_path), tmp_path / "pods"
    pods.mkdir()
    networks = [nad(name, network_type=name) for name in ("newer", "field", "current")]
    web = pod("web", netns_factory().path, "newer,field,current")
    (pods / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*networks, web]}))
    done = venv.run("secnet", "apply", pods, "--config", config, "--timeout", "30")
    assert done.returncode == 1, done.stderr
    for ifname, name in (("eth1", "newer"), ("eth2", "field")):
        assert f"{ifname} on default/{name}: Failed: Unsupported" in done.stdout
        assert words(name, REFUSED[name]) in done.stdout
    assert "eth3 on default/current: Attached" in done.stdout
    errors = network_errors(venv, config)
    assert set(errors) == {"eth1", "eth2"}
    assert words("newer", NEWER) in errors["eth1"]["message"]
    assert errors["eth2"]["hint"].startswith("secnet is older")
    assert venv.run("secnet", "delete", pods, "--config", config).returncode == 0


def test_an_agent_logs_them_and_works_on(venv: CleanVenv, node_netns: Namespace, tmp_path: Path) -> None:
    agent = AgentProcess.run(
        [str(venv.bin / "secnet"), "agent", "--config", str(settings(tmp_path))], tmp_path / "agent.log"
    )
    try:
        agent.wait_started()
        agent.stop()
    finally:
        agent.kill()
    for name, version in REFUSED.items():
        (line,) = [line for line in agent.text.splitlines() if words(name, version) in line]
        assert "a plugin is not used" in line


def test_a_living_attachment_of_a_refused_driver_is_kept_and_says_why(
    clean_venv: CleanVenv, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    """Somebody upgrades the driver alone: its records stay until a driver is there that may undo them."""
    config, pods = settings(tmp_path), tmp_path / "pods"
    pods.mkdir()
    web = pod("web", netns_factory().path, "net")
    manifest = {"apiVersion": "v1", "kind": "List", "items": [nad("net", network_type="swap"), web]}
    (pods / "all.json").write_text(json.dumps(manifest))
    fits = write_project(tmp_path / "fits", "swap", versions=[CONTRACT_VERSION])
    with clean_venv.having(fits):
        done = clean_venv.run("secnet", "apply", pods, "--config", config, "--timeout", "30")
        assert done.returncode == 0, done.stdout + done.stderr
        clean_venv.install(write_project(tmp_path / "newer", "swap", versions=[NEWER]))
        done = clean_venv.run("secnet", "delete", pods, "--config", config, "--timeout", "3")
        assert done.returncode == 1
        assert words("swap", NEWER) in done.stdout + done.stderr
        assert len(list((tmp_path / "run" / "journal").iterdir())) == 1
        clean_venv.install(fits)
        done = clean_venv.run("secnet", "delete", pods, "--config", config, "--timeout", "30")
        assert done.returncode == 0, done.stdout + done.stderr
        assert list((tmp_path / "run" / "journal").iterdir()) == []
