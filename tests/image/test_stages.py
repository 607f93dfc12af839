"""Stages of a small Dockerfile over a base of busybox: what they make, and when they are made again."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from imagebuild.context import Context, source_date
from imagebuild.dockerfile import read_dockerfile
from imagebuild.layer import write_layer
from imagebuild.machine import Machine
from imagebuild.stages import Builder, Built
from secnet_conformance.needs import requires_command, requires_root

pytestmark = pytest.mark.kernel

DOCKERFILE = """\
ARG BASE=tiny
FROM ${BASE} AS tools
RUN echo tools > /tools && echo once
FROM tools AS build
WORKDIR /build
COPY source source
COPY a.txt b.txt ./
ENV WORD="two words" MORE=/x:$PATH
RUN pwd > where; echo "$WORD" "$MORE" > said; echo "$SECRET" > passed; test ! -e /run/build/none; ls /dev > devices
FROM ${BASE}
COPY --from=build /build /opt/build
ENV PATH=/opt/build:$PATH
RUN test ! -e /tools
"""
FILES = {
    "Dockerfile": DOCKERFILE,
    "source/deep/c.txt": "c",
    "a.txt": "a",
    "b.txt": "b",
    ".gitignore": "*.o\n",
    "junk.o": "x",
}


@dataclass(slots=True, kw_only=True)
class Build:
    """A repository, and what building it said."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def run(self, cache: str = "cache") -> Built:
        """Build the last stage."""
        work = self.folder / f"{cache}-work"
        shutil.rmtree(work, ignore_errors=True)
        settings = work / "machine"
        settings.mkdir(parents=True)
        for name in ("resolv.conf", "hosts"):
            (settings / name).write_text("of the machine\n")
        # The machine's apt is not what is tested here, and asking it takes a second.
        machine = SimpleNamespace(folder=settings, caches={}, variables={"SECRET": "from the machine"})
        (self.folder / cache).mkdir(exist_ok=True)
        self.said.clear()
        builder = Builder(
            context=Context(self.folder / "repository", work / "context"),
            machine=cast(Machine, machine),
            cache=self.folder / cache,
            base=_busybox,
            base_key="1",
            say=self.said.append,
        )
        arguments, stages = read_dockerfile(self.folder / "repository/Dockerfile")
        images = [arguments["BASE"] if stage.image.startswith("$") else stage.image for stage in stages]
        return [builder.run(stage, image) for stage, image in zip(stages, images, strict=True)][-1]


def _busybox(image: str, root: Path) -> None:
    assert image == "tiny"
    for folder in ("bin", "etc", "proc", "dev", "run"):
        (root / folder).mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("sh", "echo", "ls", "test", "true"):
        (root / "bin" / name).symlink_to("busybox")
    for name in ("resolv.conf", "hosts"):
        (root / "etc" / name).write_text("")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    requires_root()
    requires_command("busybox", "git")
    repository = tmp_path / "repository"
    for name, text in FILES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x"]
    subprocess.run([*git, "init", "-q"], check=True, timeout=30)
    subprocess.run([*git, "add", "-A"], check=True, timeout=30)
    subprocess.run([*git, "commit", "-q", "-m", "all"], check=True, timeout=30)
    return Build(folder=tmp_path)


def test_the_commands_run_in_the_stage_with_its_settings(build: Build) -> None:
    final = build.run()
    made = final.folder / "opt/build"
    assert (made / "where").read_text() == "/build\n"
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert (made / "said").read_text() == f"two words /x:{path}\n"
    assert (made / "passed").read_text() == "from the machine\n"
    assert {"null", "zero", "urandom"} <= set((made / "devices").read_text().split())
    assert [(made / name).read_text() for name in ("a.txt", "b.txt", "source/deep/c.txt")] == ["a", "b", "c"]
    assert final.variables == {"PATH": f"/opt/build:{path}"}
    assert not (final.folder / "tools").exists(), "that stage began with the base"


def test_nothing_of_the_machine_stays(build: Build) -> None:
    final = build.run()
    assert [(final.folder / "etc" / name).read_text() for name in ("resolv.conf", "hosts")] == ["", ""]
    assert [list((final.folder / name).iterdir()) for name in ("proc", "dev", "run")] == [[], [], []]
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(build.folder) not in mounts


def test_only_what_changed_is_made_again(build: Build) -> None:
    build.run()
    assert [line for line in build.said if "unchanged" in line] == []
    build.run()
    assert build.said == ["tools: unchanged", "build: unchanged", "final: unchanged"]
    (build.folder / "repository/b.txt").write_text("new")
    final = build.run()
    assert build.said[0] == "tools: unchanged"
    assert len(build.said) > 2
    assert (final.folder / "opt/build/b.txt").read_text() == "new"
    (build.folder / "repository/junk.o").write_text("ignored by git")
    build.run()
    assert build.said == ["tools: unchanged", "build: unchanged", "final: unchanged"]


def test_two_builds_make_the_same_layer(build: Build) -> None:
    layers = [
        write_layer(
            build.run(cache).folder, build.folder / f"{cache}.gz", time=source_date(build.folder / "repository")
        )
        for cache in ("one", "two")
    ]
    assert layers[0] == layers[1]


def test_a_command_that_fails_is_shown_with_its_output_and_leaves_no_stage(build: Build) -> None:
    dockerfile = build.folder / "repository/Dockerfile"
    dockerfile.write_text(
        DOCKERFILE.replace("RUN pwd", "RUN echo what is wrong >&2; false; pwd").replace("false;", "exit 3;")
    )
    with pytest.raises(RuntimeError, match=r"what is wrong\nstage build: exit code 3 of: echo"):
        build.run()
    dockerfile.write_text(DOCKERFILE)
    assert build.run().folder.is_dir()
    assert build.said[0] == "tools: unchanged"


def test_the_source_date(build: Build, monkeypatch: Any) -> None:
    repository = build.folder / "repository"
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    shown = subprocess.run(
        ["git", "-C", str(repository), "log", "-1", "--format=%ct"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert source_date(repository) == int(shown.stdout)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert source_date(repository) == 12


def test_a_source_that_is_not_there(build: Build) -> None:
    (build.folder / "repository/a.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"copies a\.txt, which is not in the repository"):
        build.run()
