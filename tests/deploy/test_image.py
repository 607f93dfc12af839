"""deploy/Dockerfile: what it copies is there, and its commands make an agent that runs.

No daemon that builds images can be had where the tests run, so the stages are read by us, and their commands run in a
throw-away copy of this machine's root: an overlay in a mount namespace of its own, with Debian's Python in place of the
base image's. What is not tried: the base image and apt-get.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
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
from secnet_testing.kustomize import build

DOCKERFILE = ROOT / "deploy/Dockerfile"
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


def test_every_source_is_in_the_repository_and_in_the_build_context() -> None:
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = {source for stage in STAGES for source in sources(stage)}
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert copied == kept
    assert all(line in ignored for line in ("*", "**/__pycache__"))


def test_stages_and_arguments_that_are_named_exist() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert re.fullmatch(r"\$\{(\w+)\}", stage.image), "the base image is an argument"
        assert stage.image[2:-1] in ARGUMENTS
        assert {copy.option("from") for copy in stage.all("COPY")} - {None} <= seen
        seen.add(stage.name)
    used = {copy.option("from") for stage in STAGES for copy in stage.all("COPY")}
    assert {stage.name for stage in STAGES[:-1]} == used - {None}


def test_every_member_that_runs_on_nodes_is_built_and_installed() -> None:
    script = " ".join(run.text for run in STAGES[0].all("RUN"))
    (built,) = re.findall(r"for member in ([^;]+);", script)
    assert sorted(built.split()) == sorted(members())
    (installed,) = re.findall(r"--find-links /wheels\s*([^&]+)&&", script)
    names = [tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]["name"] for member in members()]
    assert sorted(installed.split()) == sorted(names)


def test_nothing_is_installed_unchecked_or_editable() -> None:
    installs = [part for run in STAGES[0].all("RUN") for part in run.text.split("&&") if " install " in part]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)
    assert not any(re.search(r" (-e|--editable) ", part) for part in installs)


def test_the_image_starts_the_agent_with_the_mounted_configuration() -> None:
    (entry,) = FINAL.all("ENTRYPOINT")
    command = json.loads(entry.text)
    daemonset = next(obj for obj in build(ROOT / "deploy/base") if obj["kind"] == "DaemonSet")
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    assert container["command"][-1].endswith(f"exec {shlex.join(command)}")
    assert any(command[-1].startswith(mount["mountPath"]) for mount in container["volumeMounts"])
    assert [user.text for user in FINAL.all("USER")] == ["root"]


def test_the_plugin_is_where_the_manifests_take_it_from() -> None:
    (target,) = [copy.arguments[-1] for copy in FINAL.all("COPY") if copy.option("from") == "cni"]
    for component in ("sync", "multus"):
        settings = yaml.safe_load((ROOT / f"deploy/components/{component}/node.yaml").read_text())
        assert settings["cni"]["program"] == target


def script(context: Path) -> str:
    """All stages as one shell script: they share one root here, and none writes where another one does."""
    lines = ["set -eu", "mkdir -p /usr/local/bin", 'ln -sf "$PYTHON" /usr/local/bin/python']
    for stage in STAGES:
        if any(not (ROOT / source).exists() for source in sources(stage)):
            continue
        lines.append("cd /")
        for item in stage.instructions:
            if item.word == "WORKDIR":
                lines.append(f"mkdir -p {item.text} && cd {item.text}")
            elif item.word == "RUN" and "apt-get" not in item.text:
                lines.append(f"( {item.text} )")
            elif item.word == "COPY" and item.option("from") is None:
                *copied, target = item.arguments
                for source in copied:
                    place = f"{target}{source}" if target.endswith("/") else target
                    lines.append(f'mkdir -p "$(dirname {place})" && cp -a {context}/{source} {place}')
    return "\n".join(lines)


@pytest.mark.fresh
def test_the_commands_of_the_image_make_an_agent(tmp_path: Path) -> None:
    requires_root()
    requires_command("unshare")
    upper = tmp_path / "upper"
    upper.mkdir()
    # A tmpfs, because an overlay's upper directory may not lie in its lower one.
    root = upper / "root"
    checks = f"""
        /opt/secnet/bin/secnet drivers
        /opt/secnet/bin/secnet validate {ROOT}/deploy/components/sync/node.yaml
        /opt/secnet/bin/python -c 'import secnet, sys; sys.stdout.write(secnet.__path__[0])'
    """
    inside = shlex.quote(f"{script(ROOT)}\n{checks}")
    outer = f"""
        set -eu
        mount -t tmpfs -o size=2g tmpfs {upper}
        mkdir {upper}/up {upper}/work {root}
        mount -t overlay overlay -o lowerdir=/,upperdir={upper}/up,workdir={upper}/work {root}
        for folder in proc dev sys run {str(ROOT)[1:]}; do
          mkdir -p {root}/$folder; mount --rbind /$folder {root}/$folder
        done
        exec chroot {root} /bin/sh -c {inside}
    """
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    path = f"/usr/local/bin:{os.environ['PATH']}"
    environment = {**variables, "PYTHON": str(Path("/usr/bin/python3").resolve()), "HOME": "/root", "PATH": path}
    command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", outer]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no findings" in done.stdout
    assert re.search(r"^network type\s+vlan\s+secnet-vlan\s", done.stdout, re.MULTILINE), done.stdout
    assert fnmatch.fnmatch(done.stdout.splitlines()[-1], "/opt/secnet/lib/python3.*/site-packages/secnet"), "editable"
    assert not Path("/opt/secnet").exists(), "the machine's own root is untouched"
