"""An image as an archive in the OCI layout, which containerd, Docker, podman and skopeo read."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .dockerfile import Stage
from .layer import Layer

__all__ = ["image_config", "write_archive"]

_OCI = "application/vnd.oci.image"


def image_config(
    stage: Stage, variables: Mapping[str, str], *, directory: str, created: str, version: str
) -> dict[str, Any]:
    """The configuration of the last stage's image, but for its layers. variables and directory: as they are at its end."""
    labels = {"org.opencontainers.image.version": version}
    for item in stage.all("LABEL"):
        labels |= {name: value for name, _, value in (word.partition("=") for word in item.arguments)}
    command = ["dpkg", "--print-architecture"]
    return {
        "architecture": subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(),
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": json.loads(stage.all("ENTRYPOINT")[-1].text),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Labels": labels,
            "User": stage.all("USER")[-1].text,
            "WorkingDir": directory,
        },
        "history": [{"created": created, "created_by": "tools/image"}],
    }


def write_archive(target: Path, *, layer: Layer, blob: Path, config: Mapping[str, Any], name: str, tag: str) -> str:
    """Write the archive of one image and return the digest of its manifest, which depends on neither name nor tag.

    config: the whole image configuration but for `rootfs`. name: with the registry, as docker.io/library/secnet.
    """
    settings = _json({**config, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.content}"]}})
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor(f"{_OCI}.config.v1+json", settings),
            "layers": [
                {"mediaType": f"{_OCI}.layer.v1.tar+gzip", "digest": f"sha256:{layer.digest}", "size": layer.size}
            ],
        }
    )
    digest = f"sha256:{_sha(manifest)}"
    described = {
        **_descriptor(f"{_OCI}.manifest.v1+json", manifest),
        "platform": {"architecture": config["architecture"], "os": config["os"]},
    }
    # Twice the same image: containerd then knows it by its tag and by its digest, as if it had been pulled.
    by_tag = {"io.containerd.image.name": f"{name}:{tag}", "org.opencontainers.image.ref.name": tag}
    by_digest = {"io.containerd.image.name": f"{name}@{digest}"}
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [{**described, "annotations": by_tag}, {**described, "annotations": by_digest}],
    }
    # What Docker before version 25 reads in place of the index.
    docker = [
        {
            "Config": f"blobs/sha256/{_sha(settings)}",
            "RepoTags": [f"{name.removeprefix('docker.io/library/')}:{tag}"],
            "Layers": [f"blobs/sha256/{layer.digest}"],
        }
    ]
    members: dict[str, bytes | Path] = {
        f"blobs/sha256/{_sha(settings)}": settings,
        f"blobs/sha256/{_sha(manifest)}": manifest,
        f"blobs/sha256/{layer.digest}": blob,
        "index.json": _json(index),
        "manifest.json": _json(docker),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
    }
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in sorted(members.items()):
            _add(tar, member, content)
    return digest


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    if isinstance(content, Path):
        info.size = content.stat().st_size
        with content.open("rb") as file:
            tar.addfile(info, file)
    else:
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{_sha(content)}", "size": len(content)}


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
