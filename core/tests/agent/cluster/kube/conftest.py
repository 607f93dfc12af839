"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import KubeCluster
from secnet_testing.kubeapi.process import KubeApiProcess

from ..kube_world import agent


@pytest.fixture
def api(kubeapi: KubeApiProcess) -> KubeApiProcess:
    return kubeapi


@pytest.fixture
def calls() -> list[tuple[str, str, int]]:
    """Verb, kind and status of each request of `cluster`."""
    return []


@pytest.fixture
def cluster(api: KubeApiProcess, tmp_path: Path, calls: list[tuple[str, str, int]]) -> Iterator[KubeCluster]:
    cluster = agent(api, tmp_path, on_call=lambda verb, kind, status, _: calls.append((verb, kind, status)))
    api.forget_requests()
    yield cluster
    cluster.close()
