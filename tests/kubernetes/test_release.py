"""A release on real programs: helm and an API server accept its files, and a node runs the image by the digest that they name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from releasing import add_files, digest_of, version
from secnet_testing.documents import ROOT
from secnet_testing.kubernetes.cluster import LocalCluster, Object
from secnet_testing.kubernetes.images import image_archive
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.pods import pod
from secnet_testing.kubernetes.secnet import NODE, Helm


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release of this checkout, as make release makes them, with the image that the tests have.

    Nothing here runs the image of Open vSwitch, so another one is in its place.
    """
    folder = tmp_path_factory.mktemp("release") / "dist"
    folder.mkdir()
    for name in ("secnet", "secnet-openvswitch"):
        (folder / f"{name}-{version()}.oci.tar").symlink_to(image_archive(version()))
    # The archives stay where they are.
    subprocess.run([ROOT / "tools/wheels", folder], check=True, timeout=120)
    add_files(folder)
    return folder


@pytest.fixture(scope="module")
def digest(release: Path) -> str:
    return digest_of(release / f"secnet-{version()}.oci.tar")


def images(objects: list[Object]) -> list[str]:
    daemonsets = [obj for obj in objects if obj["kind"] == "DaemonSet"]
    return [each["image"] for obj in daemonsets for each in obj["spec"]["template"]["spec"]["containers"]]


def test_helm_takes_the_packed_chart(helm: Helm, release: Path, digest: str) -> None:
    chart = str(release / f"secnet-{version()}.tgz")
    assert "0 chart(s) failed" in helm("lint", "--strict", chart)
    packed = helm("template", "any", chart, "--namespace", "secnet-system")
    source = helm("template", "any", str(ROOT / "deploy/chart"), "--namespace", "secnet-system")
    assert f"image: secnet@{digest}" in packed
    assert packed.replace(f"secnet@{digest}", f"secnet:{version()}") == source


def test_an_api_server_accepts_the_manifests(local_cluster: LocalCluster, release: Path) -> None:
    accepted = local_cluster.kubectl("apply", "--dry-run=server", "-f", str(release / "install.yaml"))
    assert "daemonset.apps/secnet-agent" in accepted
    for name in ("policies.yaml", "crds.yaml"):
        local_cluster.kubectl("apply", "--dry-run=server", "-f", str(release / name))


def test_a_node_runs_the_image_by_its_digest(
    local_cluster: LocalCluster, namespace: OwnNamespace, release: Path, digest: str
) -> None:
    (name,) = images([obj for obj in yaml.safe_load_all((release / "install.yaml").read_text()) if obj])
    assert name == f"secnet:{version()}@{digest}"
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "node"},
        "data": {"node.yaml": yaml.safe_dump(NODE)},
    }
    container = {
        "name": "c",
        "image": name,
        "imagePullPolicy": "Never",
        "args": ["validate", "--config", "/config/node.yaml"],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    volumes = [{"name": "config", "configMap": {"name": "node"}}]
    namespace.apply(config, pod("validate", containers=[container], volumes=volumes, restartPolicy="Never"))
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/validate", "--timeout=60s")
    assert "no findings" in namespace.kubectl("logs", "validate")
