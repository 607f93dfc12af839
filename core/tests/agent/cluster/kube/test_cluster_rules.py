"""The cluster behind an API server keeps the rules of every cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import RULES
from secnet_testing.kubeapi.api_server import ApiServer

from ..kube_world import TOKEN, KubeWorld
from ..rules import ObjectRules
from ..rules_pods import PodRules
from ..rules_watch import WatchRules


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.kubernetes)])
def server(request: pytest.FixtureRequest) -> ApiServer:
    """The double of the API server, and a real one."""
    found: ApiServer = request.getfixturevalue("kubeapi" if request.param == "double" else "real_api")
    return found


class TestKubeCluster(ObjectRules, WatchRules, PodRules):
    @pytest.fixture
    def world(self, server: ApiServer, tmp_path: Path) -> Iterator[KubeWorld]:
        token = server.add_token(TOKEN, RULES)
        world = KubeWorld(server, server.kubeconfig(tmp_path / "kubeconfig", token))
        yield world
        world.close()
