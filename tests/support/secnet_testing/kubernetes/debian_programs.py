"""Single programs out of Debian packages that are not to be installed: with its package Prometheus would start as a service."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .binaries import cache_folder, locked

__all__ = ["promtool"]


def promtool() -> Path:
    """The checker of Prometheus, downloaded once."""
    return _from_package("prometheus", "usr/bin/promtool")


def _from_package(package: str, path: str) -> Path:
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / Path(path).name
    with locked(cache / "debian-programs.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix="sn-deb-") as folder:
                _run(["apt-get", "download", package], folder)
                (archive,) = Path(folder).glob("*.deb")
                _run(["dpkg-deb", "--extract", str(archive), "content"], folder)
                part = cache / f".{target.name}.part"
                shutil.copy(Path(folder, "content", path), part)
                part.rename(target)
    return target


def _run(argv: list[str], folder: str) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
