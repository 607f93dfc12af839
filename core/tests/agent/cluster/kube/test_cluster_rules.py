"""The cluster behind an API server keeps the rules of every cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import RULES
from secnet_testing.kubeapi.admin import Admin
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.kubeapi.real import RealApi, real_api_is_named

from ..kube_world import TOKEN, KubeWorld
from ..rules import ObjectRules
from ..rules_pods import PodRules
from ..rules_watch import WatchRules

# A real one takes part only where there is one, for nothing may be skipped.
APIS = ["test", *(["real"] if real_api_is_named() else [])]


@pytest.fixture(scope="module")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    api = RealApi(tmp_path_factory.mktemp("api"))
    yield api
    api.stop()


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Admin, Path]:
    """An API server, and the kubeconfig of who is to be tested."""
    if request.param == "real":
        real: RealApi = request.getfixturevalue("real_api")
        return real, real.kubeconfig
    server: KubeApiProcess = request.getfixturevalue("kubeapi")
    return server, server.kubeconfig(tmp_path / "kubeconfig", server.add_token(TOKEN, RULES))


class TestKubeCluster(ObjectRules, WatchRules, PodRules):
    @pytest.fixture
    def world(self, api: tuple[Admin, Path]) -> Iterator[KubeWorld]:
        world = KubeWorld(*api)
        yield world
        world.close()
