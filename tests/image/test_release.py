"""The files of a release fit together: the archives, the manifests that name a digest, the chart, the checksums."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import releasing
import yaml
from imagebuild.archive import write_archive
from imagebuild.layer import write_layer
from releasing import SUMS, ReleaseError, add_files, digest_of, version
from secnet_testing.documents import ROOT
from secnet_testing.oci import read_archive

WHEELS = {
    f"{name}-{version()}-py3-none-any.whl"
    for name in ("secnet", "secnet_vlan", "secnet_sriov", "secnet_ipam", "secnet_conformance")
}


def dist(folder: Path) -> Path:
    """A folder with what comes first: wheels, what their builder leaves beside them, and archives with an image of nothing."""
    folder.mkdir()
    for name in (*WHEELS, ".gitignore"):
        (folder / name).write_text(name)
    (folder / "empty").mkdir()
    layer = write_layer(folder / "empty", folder / "layer", time=0)
    config = {"architecture": "amd64", "os": "linux"}
    for name in ("secnet", "secnet-openvswitch"):
        write_archive(
            folder / f"{name}-{version()}.oci.tar",
            layer=layer,
            blob=folder / "layer",
            config=config,
            name=f"docker.io/library/{name}",
            tag=version(),
        )
    (folder / "layer").unlink()
    (folder / "empty").rmdir()
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = dist(tmp_path / "dist")
    add_files(folder)
    return folder


def test_nothing_is_missing_and_the_checksums_are_right(release: Path) -> None:
    names = {path.name for path in release.iterdir()} - {".gitignore"}
    v = version()
    archives = {f"secnet-{v}.oci.tar", f"secnet-openvswitch-{v}.oci.tar"}
    expected = {f"secnet-{v}.tgz", "install.yaml", "policies.yaml", "crds.yaml"} | archives | WHEELS
    assert names == expected | {SUMS}
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS], cwd=release, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert {line.partition(": ")[0] for line in done.stdout.splitlines()} == expected
    (release / "crds.yaml").write_text("damaged")
    damaged = subprocess.run(["sha256sum", "--check", SUMS], cwd=release, capture_output=True, timeout=60)
    assert damaged.returncode != 0


def test_the_manifests_name_the_image_of_the_archive(release: Path) -> None:
    digest = read_archive(release / f"secnet-{version()}.oci.tar").digest
    assert digest_of(release / f"secnet-{version()}.oci.tar") == digest
    objects = list(yaml.safe_load_all((release / "install.yaml").read_text()))
    (daemonset,) = [obj for obj in objects if obj["kind"] == "DaemonSet"]
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"secnet:{version()}@{digest}"
    source = (ROOT / "deploy/install.yaml").read_text()
    assert (release / "install.yaml").read_text().replace(f"@{digest}", "") == source
    for name in ("policies.yaml", "crds.yaml"):
        assert (release / name).read_text() == (ROOT / "deploy" / name).read_text()


def test_the_chart_holds_its_files_and_the_digest(release: Path) -> None:
    with tarfile.open(release / f"secnet-{version()}.tgz") as tar:
        members = tar.getmembers()
        content = {info.name: (tar.extractfile(info) or pytest.fail(info.name)).read() for info in members}
    assert members[0].name == "secnet/Chart.yaml"
    assert all(info.isfile() and info.uid == info.gid == 0 for info in members), "no link, no owner of this machine"
    chart = ROOT / "deploy/chart"
    assert "secnet/files/base/daemonset.yaml" in content
    for name, data in content.items():
        if name != "secnet/values.yaml":
            assert data == (chart / name.removeprefix("secnet/")).read_bytes()
    values, source = yaml.safe_load(content["secnet/values.yaml"]), yaml.safe_load((chart / "values.yaml").read_text())
    assert values == {
        **source,
        "image": {**source["image"], "digest": digest_of(release / f"secnet-{version()}.oci.tar")},
    }


def test_a_release_is_the_same_when_it_is_made_again(tmp_path: Path) -> None:
    def sums(name: str) -> str:
        return add_files(dist(tmp_path / name))[-1].read_text()

    assert sums("a") == sums("b")


@pytest.mark.parametrize(
    "name", [f"secnet_ipam-{version()}-py3-none-any.whl", f"secnet-openvswitch-{version()}.oci.tar"]
)
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    folder = dist(tmp_path / "dist")
    (folder / name).unlink()
    with pytest.raises(ReleaseError, match=rf"dist lacks {re.escape(name)}$"):
        add_files(folder)


def test_versions_that_differ_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = dist(tmp_path / "dist")
    for path in folder.glob("secnet*"):
        path.rename(folder / path.name.replace(version(), "9.9"))
    monkeypatch.setattr(releasing, "version", lambda: "9.9")
    with pytest.raises(ReleaseError, match=r"install\.yaml: 'image: secnet:9\.9' has to stand there once"):
        add_files(folder)
