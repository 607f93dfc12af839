"""Reads an OCI archive as a runtime does: every blob is checked against its digest."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Image", "read_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """digest: of the manifest; names: under which containerd knows the image; layer: the compressed tar."""

    digest: str
    names: tuple[str, ...]
    manifest: dict[str, Any]
    config: dict[str, Any]
    layer: bytes

    def members(self) -> dict[str, tarfile.TarInfo]:
        """The files of the layer by name, in its order."""
        with self._tar() as tar:
            return {info.name: info for info in tar}

    def unpack(self, root: Path) -> None:
        """Make the file system; needs root, for the owners of files."""
        root.mkdir()
        # Not tarfile: its filters, which newer Pythons ask for, are not known to 3.11.2.
        argv = ["tar", "--extract", "--gzip", "--numeric-owner", "--directory", str(root)]
        subprocess.run(argv, input=self.layer, check=True)

    def run(self, root: Path, *arguments: str, **variables: str) -> str:
        """Call the entry point with its variables in the unpacked file system; returns what it wrote, errors too."""
        settings = self.config["config"]
        command = ["unshare", "--mount", "sh", "-ec", 'mount -t proc proc "$0/proc"; exec chroot "$@"', str(root)]
        environment = dict(item.split("=", 1) for item in settings["Env"]) | variables
        done = subprocess.run(
            [*command, str(root), *settings["Entrypoint"], *arguments],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _tar(self) -> tarfile.TarFile:
        return tarfile.open(fileobj=io.BytesIO(self.layer), mode="r:gz")


def read_archive(path: Path) -> Image:
    """The image of an archive that holds one, with a single layer."""
    with tarfile.open(path) as tar:
        files = {info.name: tar.extractfile(info) for info in tar if info.isfile()}
        content = {name: file.read() for name, file in files.items() if file}
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}

    def blob(descriptor: dict[str, Any]) -> bytes:
        data = content[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert descriptor["size"] == len(data)
        return data

    entries = json.loads(content["index.json"])["manifests"]
    (digest,) = {entry["digest"] for entry in entries}
    manifest = json.loads(blob(entries[0]))
    (layer,) = manifest["layers"]
    return Image(
        digest=digest,
        names=tuple(entry["annotations"]["io.containerd.image.name"] for entry in entries),
        manifest=manifest,
        config=json.loads(blob(manifest["config"])),
        layer=blob(layer),
    )
