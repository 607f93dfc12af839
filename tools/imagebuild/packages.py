"""The Debian packages of the image and of what builds it, and their versions in deploy/image-packages.txt."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DebianPackage", "differences", "installed", "read_lock", "write_lock"]

_HEAD = """\
# Debian packages of the image (first those in it, then those that build it), with the versions that `make image` installs.
# Written by: make image ARGS=--upgrade
"""
_BUILD = "# Only to build it:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """An installed package. source: the name of its source package."""

    name: str
    version: str
    architecture: str
    source: str


def installed(root: Path) -> list[DebianPackage]:
    """The packages of a system, sorted by name."""
    fields = "${Package}\t${Version}\t${Architecture}\t${source:Package}\n"
    command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (line.split("\t") for line in lines)
    found = [DebianPackage(name=row[0], version=row[1], architecture=row[2], source=row[3]) for row in rows]
    return sorted(found, key=lambda package: package.name)


def read_lock(path: Path) -> dict[str, str]:
    """The version of each package; empty where there is no lock yet."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def write_lock(path: Path, *, image: Iterable[DebianPackage], build: Iterable[DebianPackage]) -> None:
    """Write the lock. image: what is in the image; build: what was installed in any stage."""
    inside = {package.name: package.version for package in image}
    others = {package.name: package.version for package in build if package.name not in inside}
    text = _HEAD + _lines(inside) + _BUILD + _lines(others)
    path.write_text(text, encoding="utf-8")


def differences(locked: dict[str, str], found: Iterable[DebianPackage]) -> list[str]:
    """One line for each package whose version is not the locked one, is in no lock, or was not installed."""
    versions = {package.name: package.version for package in found}
    return [
        f"{name}: {locked.get(name, 'not locked')} -> {versions.get(name, 'not installed')}"
        for name in sorted(locked.keys() | versions.keys())
        if locked.get(name) != versions.get(name)
    ]


def _lines(versions: dict[str, str]) -> str:
    return "".join(f"{name} {version}\n" for name, version in sorted(versions.items()))
