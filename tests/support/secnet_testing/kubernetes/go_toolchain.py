"""A Go that is new enough, for what is built from Go modules: the machine's own, or one that it brings.

Debian 12 has Go 1.19. A Go toolchain is itself a Go module, so that any Go downloads a newer one from the module proxy that
it is set up with, and checks it against the checksum database.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["LEAST", "go_program"]

LEAST = (1, 24)
"""The oldest Go that compiles Kubernetes 1.34."""

_BROUGHT = "1.25.4"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def go_program(cache: Path) -> Path:
    """The program `go`, at least `LEAST`; a downloaded one is kept below the folder `cache`.

    Raises RuntimeError, with what to install, on a machine without any Go.
    """
    found = shutil.which("go")
    if found is None:
        raise RuntimeError("this machine has no Go: apt-get install golang-go; any version will do")
    if _version(found) >= LEAST:
        return Path(found)
    folder = cache / f"go{_BROUGHT}"
    if not (folder / "bin/go").exists():
        _bring(found, folder)
    return folder / "bin/go"


def _version(program: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}  # newer ones would download what a go.mod nearby asks for
    text = subprocess.run([program, "version"], env=environment, check=True, capture_output=True, text=True).stdout
    match = re.search(r"\bgo(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else (0,)


def _bring(program: str, folder: Path) -> None:
    """Download the toolchain with the Go at hand, and put it at `folder` by rename."""
    module = f"golang.org/toolchain@v0.0.1-go{_BROUGHT}.linux-{_ARCHITECTURES[platform.machine()]}"
    scratch = folder.with_suffix(".part")
    _remove(scratch)
    scratch.mkdir(parents=True)
    environment = {
        **os.environ,
        "GO111MODULE": "on",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(scratch / "modules"),
        "GOPATH": str(scratch / "path"),
    }
    argv = [program, "mod", "download", "-json", module]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=scratch)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}{done.stdout}")
    root = Path(json.loads(done.stdout)["Dir"])
    # A module's files carry no mode: only Go 1.21 and newer make these executable, and only when they switch to it.
    for part in (root / "bin", root / "pkg/tool"):
        for file in part.rglob("*"):
            file.chmod(0o755)
    _remove(folder)
    root.rename(folder)
    _remove(scratch)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
