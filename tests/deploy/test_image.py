"""deploy/Dockerfile: what it copies is there, what it installs is checked, and `make image` makes an agent of it that runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from imagebuild.dockerfile import Stage, read_dockerfile
from secnet_conformance.needs import requires_command, requires_root
from secnet_testing.documents import ROOT
from secnet_testing.oci import read_archive

DOCKERFILE = ROOT / "deploy/Dockerfile"
DOCKERFILES = (DOCKERFILE, ROOT / "deploy/openvswitch/Dockerfile")
ARGUMENTS, STAGES = read_dockerfile(DOCKERFILE)
FINAL = STAGES[-1]


def sources(stage: Stage) -> Iterator[str]:
    for copy in stage.all("COPY"):
        if copy.option("from") is None:
            yield from copy.arguments[:-1]


def members() -> list[str]:
    command = [sys.executable, str(ROOT / "tools/members"), "dirs"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    return [member for member in listed if not member.startswith("tests/")]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_source_is_in_the_repository_and_in_the_build_context(dockerfile: Path) -> None:
    ignored = (dockerfile.parent / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = {source for stage in read_dockerfile(dockerfile)[1] for source in sources(stage)}
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert copied == kept
    assert all(line in ignored for line in ("*", "**/__pycache__"))


def test_stages_and_arguments_that_are_named_exist() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        argument = re.fullmatch(r"\$\{(\w+)\}", stage.image)
        assert argument[1] in ARGUMENTS if argument else stage.image in seen, "an argument, or an earlier stage"
        assert {copy.option("from") for copy in stage.all("COPY")} - {None} <= seen
        seen.add(stage.name)
    used = {copy.option("from") for stage in STAGES for copy in stage.all("COPY")} | {stage.image for stage in STAGES}
    assert {stage.name for stage in STAGES[:-1]} <= used


def test_every_member_that_runs_on_nodes_is_built_and_installed() -> None:
    script = " ".join(run.text for stage in STAGES for run in stage.all("RUN"))
    (built,) = re.findall(r"for member in ([^;]+);", script)
    assert sorted(built.split()) == sorted(members())
    (installed,) = re.findall(r"--find-links /wheels\s*([^&]+)&&", script)
    names = [tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]["name"] for member in members()]
    assert sorted(installed.split()) == sorted(names)


def test_nothing_is_installed_unchecked_or_editable() -> None:
    parts = [part for stage in STAGES for run in stage.all("RUN") for part in run.text.split("&&")]
    installs = [part for part in parts if re.search(r"\bpip\b.* install ", part)]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)
    assert not any("uv pip" in part for part in installs if "--no-index" in part), (
        "its cache has an older wheel of this name"
    )
    assert not any(re.search(r" (-e|--editable) ", part) for part in installs)


def test_the_image_starts_the_agent_with_the_mounted_configuration() -> None:
    (entry,) = FINAL.all("ENTRYPOINT")
    assert json.loads(entry.text) == ["secnet"], "every command runs from the image"
    daemonset = yaml.safe_load((ROOT / "deploy/base/daemonset.yaml").read_text())
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    assert "command" not in container
    assert container["args"][0] == "agent"
    (named,) = [each["value"] for each in container["env"] if each["name"] == "SECNET_CONFIG"]
    assert named == container["args"][-1], "what the commands of `kubectl exec` read"
    drop_ins = container["args"][-1].removesuffix(".yaml") + ".d/"
    assert any(mount["mountPath"].startswith(drop_ins) for mount in container["volumeMounts"])
    assert [user.text for user in FINAL.all("USER")] == ["root"]


def test_the_plugin_is_where_the_manifests_take_it_from() -> None:
    (target,) = [copy.arguments[-1] for copy in FINAL.all("COPY") if copy.option("from") == "cni"]
    for component in ("sync", "multus"):
        settings = yaml.safe_load((ROOT / f"deploy/components/{component}/{component}.yaml").read_text())
        assert settings["cni"]["program"] == target


def tool(name: str, *arguments: str) -> str:
    """Standard output of a program of tools/, which must succeed."""
    command = [str(ROOT / "tools" / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.fresh
@pytest.mark.timeout(900)
def test_the_image_has_an_agent_that_runs(tmp_path: Path) -> None:
    """Built as a reader of the documents does it, and its entry point called in its own file system."""
    requires_root()
    requires_command("debootstrap", "unshare")
    tool("image", "--output", str(tmp_path / "first.tar"), "--tag", "0.0.0")
    tool("image", "--output", str(tmp_path / "second.tar"), "--tag", "0.0.1")
    image = read_archive(tmp_path / "first.tar")
    assert read_archive(tmp_path / "second.tar").digest == image.digest
    root = tmp_path / "root"
    image.unpack(root)
    (root / "node.yaml").write_bytes((ROOT / "deploy/components/sync/sync.yaml").read_bytes())
    assert "no findings" in image.run(root, "validate", "/node.yaml")
    # Bytecode is there for everything that is loaded, or each start would compile it.
    listed = image.run(root, "drivers", PYTHONVERBOSE="1", PYTHONDONTWRITEBYTECODE="")
    assert re.search(r"^network type\s+vlan\s+secnet-vlan\s", listed, re.MULTILINE)
    assert "# wrote" not in listed
    # Nothing of the machine that built it.
    mirror = tool("machine-apt", "mirror").strip()
    assert [path for path in (root / "etc").rglob("*") if path.is_file() and mirror in path.read_text("latin-1")] == []
    assert not (root / "etc/ssl/certs/ca-certificates.crt").exists()
