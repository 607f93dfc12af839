"""The lock of Debian packages, and the list of what is in an image."""

from __future__ import annotations

import json
from pathlib import Path

from imagebuild.packages import DebianPackage, differences, installed, read_lock, write_lock
from imagebuild.sbom import write_sbom
from secnet_testing.documents import ROOT

STATUS = """\
Package: {name}
Status: install ok installed
Version: {version}
Architecture: amd64
Source: {source}
Maintainer: a maintainer
Description: something

"""


def package(name: str, version: str) -> DebianPackage:
    return DebianPackage(name=name, version=version, architecture="amd64", source=name)


def root_with(root: Path, *packages: tuple[str, str, str]) -> Path:
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    text = "".join(STATUS.format(name=name, version=version, source=source) for name, version, source in packages)
    (root / "var/lib/dpkg/status").write_text(text)
    return root


def test_the_packages_of_a_system(tmp_path: Path) -> None:
    root = root_with(tmp_path, ("libz", "1:2+b1", "zed (2)"), ("apt", "3.0", "apt"))
    apt, libz = installed(root)
    assert (apt.name, apt.version) == ("apt", "3.0")
    assert (libz.name, libz.version, libz.source) == ("libz", "1:2+b1", "zed")


def test_the_lock_names_each_package_once(tmp_path: Path) -> None:
    image = [package("apt", "3.0"), package("zlib", "1.3")]
    write_lock(tmp_path / "lock", image=image, build=[*image, package("gcc", "14"), package("apt", "3.0")])
    assert read_lock(tmp_path / "lock") == {"apt": "3.0", "gcc": "14", "zlib": "1.3"}
    assert (tmp_path / "lock").read_text().count("apt 3.0") == 1
    assert read_lock(tmp_path / "missing") == {}


def test_every_difference_has_a_line() -> None:
    locked = {"apt": "3.0", "gcc": "14", "gone": "1"}
    found = [package("apt", "3.1"), package("gcc", "14"), package("new", "2")]
    assert differences(locked, found) == ["apt: 3.0 -> 3.1", "gone: 1 -> not installed", "new: not locked -> 2"]
    assert differences({"gcc": "14"}, [package("gcc", "14")]) == []


def test_the_lock_of_the_repository_has_what_the_dockerfile_installs() -> None:
    locked = read_lock(ROOT / "deploy/image-packages.txt")
    assert {"python3", "libc6", "gcc", "python3-venv"} <= locked.keys()
    assert "openvswitch-switch" in read_lock(ROOT / "deploy/openvswitch/image-packages.txt")


def test_the_bill_of_materials(tmp_path: Path) -> None:
    root = root_with(tmp_path / "root", ("libz", "1:2+b1", "zed"))
    info = root / "opt/secnet/lib/python3.13/site-packages/Big_Name-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: Big_Name\nVersion: 1.0\nLicense-Expression: MIT\n\nLong text"
    )
    values = {
        "name": "it",
        "release": "trixie",
        "version": "0.1.0",
        "digest": "sha256:abc",
        "created": "2026-01-01T00:00:00Z",
    }
    for file in ("a", "b"):
        write_sbom(tmp_path / file, root=root, **values)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    document = json.loads((tmp_path / "a").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    debian, python = document["components"]
    assert debian["purl"] == "pkg:deb/debian/libz@1:2%2Bb1?arch=amd64&distro=trixie"
    assert (python["purl"], python["licenses"]) == ("pkg:pypi/big-name@1.0", [{"expression": "MIT"}])
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "abc"}]
    assert document["metadata"]["component"]["purl"] == "pkg:oci/it@sha256:abc"
    (all_of_them,) = document["dependencies"]
    assert all_of_them["dependsOn"] == [debian["bom-ref"], python["bom-ref"]]
