"""The environment of somebody who has our wheels and nothing else of this tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class StrangerVenv:
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
        """What a program of this environment runs with: its own programs first, and nothing that leads back to this tree."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV"))
        }
        return kept | {"PATH": f"{self.bin}:{os.environ['PATH']}", "VIRTUAL_ENV": str(self.folder)}

    def run(
        self, program: str, *args: str | Path, cwd: Path | None = None, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, outside the tree unless `cwd` says where; the caller looks at the exit code."""
        return subprocess.run(
            [str(self.bin / program), *map(str, args)],
            cwd=cwd or self.folder,
            env=self.environment,
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

    def make(self) -> None:
        """Make it, or make it anew."""
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


@pytest.fixture(scope="session")
def stranger_venv(tmp_path_factory: pytest.TempPathFactory) -> StrangerVenv:
    """One for all tests of a run. What a test installs it uninstalls, unless others may see it."""
    venv = StrangerVenv(tmp_path_factory.mktemp("stranger") / "venv")
    venv.make()
    return venv
