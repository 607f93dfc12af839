"""What is in an image, as a CycloneDX 1.6 document: Debian packages by dpkg's record, Python packages by their metadata."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .packages import installed

__all__ = ["write_sbom"]

_SITE_PACKAGES = (
    "opt/*/lib/python3*/site-packages",
    "usr/lib/python3/dist-packages",
    "usr/local/lib/python3*/dist-packages",
)


def write_sbom(target: Path, *, root: Path, name: str, release: str, version: str, digest: str, created: str) -> None:
    """Write the document of the image `name`, whose file system is below `root`.

    digest: of the image's manifest. release: Debian's, as trixie.
    """
    components = [*_debian(root, release), *_python(root)]
    image = {
        "type": "container",
        "bom-ref": name,
        "name": name,
        "version": version,
        "purl": f"pkg:oci/{name}@{quote(digest, safe=':')}",
        "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {"timestamp": created, "component": image},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    target.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _debian(root: Path, release: str) -> Iterator[dict[str, Any]]:
    for package in installed(root):
        found = f"pkg:deb/debian/{_quoted(package.name)}@{_quoted(package.version)}"
        qualifiers = f"arch={package.architecture}&distro={release}"
        source = {"name": "debian:source", "value": package.source}
        yield _component(package.name, package.version, f"{found}?{qualifiers}") | {"properties": [source]}


def _python(root: Path) -> Iterator[dict[str, Any]]:
    files = (path for pattern in _SITE_PACKAGES for path in root.glob(f"{pattern}/*.dist-info/METADATA"))
    for path in sorted(files):
        fields = HeaderParser().parsestr(path.read_text(encoding="utf-8"))
        name, version = re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"]
        licence = fields.get("License-Expression")
        yield _component(name, version, f"pkg:pypi/{_quoted(name)}@{_quoted(version)}") | (
            {"licenses": [{"expression": licence}]} if licence else {}
        )


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _quoted(text: str) -> str:
    return quote(text, safe=":~")
