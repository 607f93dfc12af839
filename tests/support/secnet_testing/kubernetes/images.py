"""The images of this checkout as archives, built when its content has changed since, and kept with the other programs."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..documents import ROOT
from .binaries import cache_folder, locked, remove_old

__all__ = ["image_archive", "openvswitch_archive"]


def image_archive(tag: str = "0.1.0") -> Path:
    """The archive of the agent's image."""
    sources = ("core", "drivers", "ipam", "deploy", "tools", "requirements*", ":!deploy/openvswitch")
    return _archive("secnet", tag, "deploy/Dockerfile", sources)


def openvswitch_archive(tag: str = "0.1.0") -> Path:
    """The archive of the image with Open vSwitch."""
    return _archive(
        "secnet-openvswitch", tag, "deploy/openvswitch/Dockerfile", ("deploy/openvswitch", "tools/imagebuild")
    )


def _archive(name: str, tag: str, dockerfile: str, sources: Sequence[str]) -> Path:
    content = hashlib.sha256(tag.encode())
    listed = ["git", "ls-files", "-co", "--exclude-standard", *sources]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for file in (ROOT / path for path in sorted(names) if "/tests/" not in path):
        content.update(file.read_bytes() if file.is_file() else b"")
    target = cache_folder() / f"{name}-{tag}-{content.hexdigest()[:16]}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.parent / "archive.lock"):
            if not target.exists():  # another process may have built it while this one waited
                remove_old(target.parent, "secnet-*.tar")
                part = target.with_suffix(".part")
                options = ["--name", name, "--tag", tag, "--dockerfile", dockerfile]
                subprocess.run(["tools/image", "--output", str(part), *options], cwd=ROOT, check=True)
                part.rename(target)
    return target
