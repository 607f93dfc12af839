"""Where the objects come from, as the node configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.base.metrics import Metrics
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kube import KubeCluster
from secnet.agent.config.settings import KubernetesSettings, Settings
from secnet.agent.process.source import objects_to_look_at, open_source
from secnet.contract import InvalidConfig, SecnetError
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.scripted_plugins import Script, toy_registry

REGISTRY = toy_registry(Script())


def test_manifests_or_the_api(tmp_path: Path, kubeapi: KubeApiProcess) -> None:
    manifests = open_source(Settings(node_name="n", state_dir=tmp_path), Metrics(), REGISTRY)
    assert isinstance(manifests, ManifestCluster)
    manifests.close()
    settings = KubernetesSettings(kubeconfig=kubeapi.kubeconfig(tmp_path / "kubeconfig"))
    api = open_source(Settings(node_name="n", kubernetes=settings), Metrics(), REGISTRY)
    assert isinstance(api, KubeCluster)
    api.close()


def test_a_manifest_directory_that_is_none(tmp_path: Path) -> None:
    settings = Settings(node_name="n", state_dir=tmp_path, manifests=tmp_path / "none")
    with pytest.raises(InvalidConfig, match="is not a directory") as caught:
        open_source(settings, Metrics(), REGISTRY)
    assert caught.value.path == "$.manifests"


def test_a_command_beside_the_agent_gets_an_error_only_when_it_asks(tmp_path: Path) -> None:
    with objects_to_look_at(Settings(node_name="n", state_dir=tmp_path), REGISTRY) as store:
        assert isinstance(store, FileStore)
    broken = Settings(node_name="n", kubernetes=KubernetesSettings(kubeconfig=tmp_path / "none"))
    with objects_to_look_at(broken, REGISTRY) as objects, pytest.raises(SecnetError):
        objects.list("IPPool")
