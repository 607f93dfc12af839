"""The manifests, the chart and the checksums of a release, around image archives that are built already.

    python -m releasing FOLDER    FOLDER has the wheels, secnet-VERSION.oci.tar and secnet-openvswitch-VERSION.oci.tar

Each file is the same for the same commit. The digest of the agent's image stands in install.yaml and in the chart's values,
so that a node runs this image and no other, from whichever registry it comes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from imagebuild.context import source_date

__all__ = ["SUMS", "ReleaseError", "add_files", "digest_of", "version"]

ROOT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"


class ReleaseError(Exception):
    """The sources do not fit together; the message says what to change."""


def version() -> str:
    """The version that all members share."""
    project = tomllib.loads((ROOT / "core/pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def add_files(folder: Path) -> list[Path]:
    """Write manifests, chart and checksums into a folder with wheels and archives; returns all files there."""
    release = version()
    built = [f"{name.replace('-', '_')}-{release}-py3-none-any.whl" for name in _members()]
    built += [f"{name}-{release}.oci.tar" for name in ("secnet", "secnet-openvswitch")]
    if missing := [name for name in built if not (folder / name).is_file()]:
        raise ReleaseError(f"{folder} lacks {', '.join(missing)}")
    digest = digest_of(folder / f"secnet-{release}.oci.tar")
    (folder / "install.yaml").write_text(_manifest(release, digest), encoding="utf-8")
    for name in ("policies.yaml", "crds.yaml"):
        (folder / name).write_bytes((ROOT / "deploy" / name).read_bytes())
    _pack(folder / f"secnet-{release}.tgz", _chart(release, digest), time=source_date(ROOT))
    files = sorted(path for path in folder.iterdir() if path.name != SUMS and not path.name.startswith("."))
    (folder / SUMS).write_text("".join(f"{_sha256(path)}  {path.name}\n" for path in files), encoding="utf-8")
    return [*files, folder / SUMS]


def _members() -> list[str]:
    command = [sys.executable, str(ROOT / "tools/members"), "names"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def digest_of(archive: Path) -> str:
    """The digest of the image in an OCI archive."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        entries = json.load(file)["manifests"]
    (digest,) = {entry["digest"] for entry in entries}
    return str(digest)


def _manifest(release: str, digest: str) -> str:
    text = (ROOT / "deploy/install.yaml").read_text(encoding="utf-8")
    return _replaced("deploy/install.yaml", text, f"image: secnet:{release}", f"image: secnet:{release}@{digest}")


def _chart(release: str, digest: str) -> dict[str, bytes]:
    """The files of the chart by name, as helm packs them: below the chart's name, links followed."""
    folder = ROOT / "deploy/chart"
    about = (folder / "Chart.yaml").read_text(encoding="utf-8")
    for key in ("version", "appVersion"):
        if not re.search(rf'^{key}: "?{re.escape(release)}"?$', about, re.MULTILINE):
            raise ReleaseError(f"deploy/chart/Chart.yaml: {key} is not {release}")
    found = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in names:
            path = Path(place, name)
            found[f"secnet/{path.relative_to(folder)}"] = path.read_bytes()
    values = found["secnet/values.yaml"].decode()
    pinned = _replaced("deploy/chart/values.yaml", values, '  digest: ""', f"  digest: {digest}")
    return {**found, "secnet/values.yaml": pinned.encode()}


def _replaced(name: str, text: str, old: str, new: str) -> str:
    if text.count(f"{old}\n") != 1:
        raise ReleaseError(f"{name}: {old.strip()!r} has to stand there once")
    return text.replace(f"{old}\n", f"{new}\n")


def _pack(target: Path, files: dict[str, bytes], *, time: int) -> None:
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", mtime=0, fileobj=file) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as tar,
    ):
        # Chart.yaml first: who reads the archive as a stream knows at once what it is.
        for name, content in sorted(files.items(), key=lambda item: (item[0] != "secnet/Chart.yaml", item[0])):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o644, time
            tar.addfile(info, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="releasing", description="Add manifests, chart and checksums to a release.")
    parser.add_argument("folder", type=Path, help="has the wheels and the image archives")
    try:
        files = add_files(parser.parse_args().folder)
    except (ReleaseError, OSError) as exc:
        print(f"release: {exc}", file=sys.stderr)
        return 1
    print("release:", *(f"  {path}" for path in files), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
