"""The environment of somebody who has our wheels and nothing else of this tree, and small projects to install in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CleanVenv", "write_project"]

ROOT = Path(__file__).resolve().parents[3]

_MODULE = """
from secnet.contract import *
{head}

class Driver(NetworkDriver):
    @classmethod
    def describe(cls):
        return DriverInfo(network_type="{name}", summary="a third-party network type", {said})

    def probe(self):
        return ProbeReport(ready=True)

    def plan(self, request, call):
        return Attachment(request=request)

    def attach(self, attachment, call):
        return AttachResult(netdev=False)

    def check(self, attachment, call):
        return CheckReport()

    def detach(self, attachment, call):
        return None

    def inventory(self, call):
        return Inventory()


class Backend(IPAMBackend):
    @classmethod
    def describe(cls):
        return BackendInfo(ipam_type="{name}", summary="third-party addresses", {said})

    def probe(self):
        return ProbeReport(ready=True)

    def allocate(self, request, call):
        return IpamLease(owner=request.owner)

    def release(self, request, call):
        return None
"""


class CleanVenv:
    """An environment made by `tools/clean-venv`.

    bin: its folder of programs. python: its interpreter. wheels: the folder of the wheels that were installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self.wheels = folder.with_name(f"{folder.name}-wheels")

    @property
    def environment(self) -> dict[str, str]:
        """What a program of this environment runs with: its own programs first, nothing that leads back to this tree.

        COLUMNS is fixed: a worker of pytest-xdist has another one than a terminal.
        """
        unwanted = ("PYTHON", "PYTEST", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return kept | {"PATH": f"{self.bin}:{os.environ['PATH']}", "VIRTUAL_ENV": str(self.folder), "COLUMNS": "120"}

    def run(
        self,
        program: str,
        *args: str | Path,
        cwd: Path | None = None,
        stdin: str | None = None,
        timeout: float = 120,
        columns: int = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, outside of the tree unless `cwd` says where; the caller looks at the exit code.

        columns: the width of the terminal that it is told of.
        """
        return subprocess.run(
            [str(self.bin / program), *map(str, args)],
            cwd=cwd or self.folder,
            env=self.environment | {"COLUMNS": str(columns)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def install(self, *projects: Path) -> None:
        """Build a wheel of each project folder and install it, with no index. AssertionError with uv's words if it fails."""
        self._tool("--add", self.folder, *projects)

    def uninstall(self, *distributions: str) -> None:
        """Take distributions out again."""
        done = subprocess.run(
            [ROOT / ".boot" / "bin" / "uv", "pip", "uninstall", "-q", "--python", self.folder, *distributions],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @contextmanager
    def having(self, *projects: Path) -> Iterator[None]:
        """With these projects installed; their folders are named as their distributions."""
        self.install(*projects)
        try:
            yield
        finally:
            self.uninstall(*(project.name for project in projects))

    def make(self) -> None:
        """Make it, or make it again."""
        self._tool(self.folder)

    def _tool(self, *args: str | Path) -> None:
        done = subprocess.run(
            [ROOT / "tools" / "clean-venv", *args],
            env=os.environ | {"PYTHON": getattr(sys, "_base_executable", sys.executable)},
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def write_project(
    folder: Path,
    name: str,
    *,
    versions: Sequence[int] = (),
    said: str = "",
    head: str = "",
    groups: Sequence[str] = ("secnet.network_types",),
) -> Path:
    """A project `secnet-NAME` 3.4 with a plugin that makes nothing, in a new folder of that name; returns it.

    versions: contract versions that its metadata names. said: further arguments of its description. head: code that runs when it
    is imported. groups: whether it is a network type, an IPAM type or both.
    """
    project = folder / f"secnet-{name}"
    module = f"secnet_{name}"
    points = "".join(
        f'[project.entry-points."{group}"]\n{name} = "{module}:{"Driver" if group != "secnet.ipam" else "Backend"}"\n'
        for group in groups
    )
    points += '[project.entry-points."secnet.contract"]\n' + "".join(f'{number} = "{module}"\n' for number in versions)
    (project / "src" / module).mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{project.name}"\nversion = "3.4"\ndependencies = ["secnet"]\n{points}'
    )
    (project / "src" / module / "__init__.py").write_text(_MODULE.format(name=name, said=said, head=head))
    return project
