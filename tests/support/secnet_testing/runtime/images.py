"""Images of containers made on the spot: an archive in the OCI image layout, packed by the standard library alone."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["BUSYBOX_IMAGE", "PAUSE_IMAGE", "Image", "archive", "busybox_image", "pause_image", "sandbox_archive"]

# The name of a registry that exists nowhere (RFC 6761): a missing image is an error, never a download.
PAUSE_IMAGE = "registry.test/pause:1"
BUSYBOX_IMAGE = "registry.test/busybox:1"

_BUSYBOX = "/bin/busybox"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CREATED = "2026-01-01T00:00:00Z"
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One layer: files are programs by their path in the image, links point from a path to another one's text."""

    name: str
    entrypoint: Sequence[str]
    files: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)

    def blobs(self) -> tuple[bytes, bytes, bytes]:
        """Its layer, its config and its manifest; the same bytes for the same content."""
        layer = _tar(self._entries())
        packed = gzip.compress(layer, mtime=0)
        config = _json(
            architecture=_architecture(),
            os="linux",
            created=_CREATED,
            config={"Entrypoint": list(self.entrypoint), "Env": ["PATH=/bin"]},
            rootfs={"type": "layers", "diff_ids": [_digest(layer)]},
            history=[{"created": _CREATED}],
        )
        manifest = _json(
            schemaVersion=2,
            mediaType=f"{_OCI}.manifest.v1+json",
            config=_descriptor("config.v1+json", config),
            layers=[_descriptor("layer.v1.tar+gzip", packed)],
        )
        return packed, config, manifest

    def _entries(self) -> list[tuple[tarfile.TarInfo, bytes]]:
        paths = [PurePosixPath(path.lstrip("/")) for path in (*self.files, *self.links)]
        folders = sorted({str(parent) for path in paths for parent in path.parents} - {"."})
        entries = [_entry(folder, tarfile.DIRTYPE, mode=0o755) for folder in folders]
        entries += [_file(path.lstrip("/"), data, 0o755) for path, data in self.files.items()]
        return entries + [_entry(path.lstrip("/"), tarfile.SYMTYPE, target=to) for path, to in self.links.items()]


@functools.cache
def sandbox_archive() -> bytes:
    """The archive of both images, for `ctr images import`. Made once in a process: compressing takes longer than all else."""
    return archive(pause_image(), busybox_image())


def archive(*images: Image) -> bytes:
    """The archive of some images; the same bytes for the same content."""
    blobs: list[bytes] = []
    manifests = []
    for image in images:
        *parts, manifest = image.blobs()
        blobs += [*parts, manifest]
        named = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name}
        manifests.append({**_descriptor("manifest.v1+json", manifest), "annotations": named})
    top = {"oci-layout": _json(imageLayoutVersion="1.0.0"), "index.json": _json(schemaVersion=2, manifests=manifests)}
    top |= {f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}": blob for blob in blobs}
    return _tar([_file(path, data, 0o644) for path, data in top.items()])


def pause_image() -> Image:
    """The image of sandboxes, compiled here."""
    with tempfile.TemporaryDirectory(prefix="sn-pause-") as folder:
        program = Path(folder, "pause")
        argv = ["gcc", "-static", "-O2", "-o", str(program), str(Path(__file__).with_name("pause.c"))]
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
        return Image(name=PAUSE_IMAGE, entrypoint=["/pause"], files={"/pause": program.read_bytes()})


def busybox_image() -> Image:
    """A shell with the usual programs, from Debian's static busybox."""
    listed = subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True, timeout=10)
    links = {f"/bin/{name}": "busybox" for name in listed.stdout.split() if name != "busybox"}
    return Image(
        name=BUSYBOX_IMAGE,
        entrypoint=["/bin/sh"],
        files={"/bin/busybox": Path(_BUSYBOX).read_bytes()},
        links=links,
    )


def _architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _json(**content: Any) -> bytes:
    return json.dumps(content).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(blob), "size": len(blob)}


def _entry(path: str, kind: bytes, *, mode: int = 0o777, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname = kind, mode, target
    return info, b""


def _file(path: str, data: bytes, mode: int) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    return info, data


def _tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
