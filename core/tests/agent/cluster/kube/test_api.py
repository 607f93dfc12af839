"""Which requests are sent again, and which failures are reported."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import KubeCluster
from secnet.contract import Timeout, Unavailable
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import pod, until
from ..kube_world import TOKEN, agent


def test_a_read_whose_connection_breaks_is_sent_again_and_a_write_is_not(
    cluster: KubeCluster, api: KubeApiProcess
) -> None:
    uid = api.create(pod("a"))["metadata"]["uid"]
    api.fail(kind="drop")
    assert cluster.get("Pod", "a")["metadata"]["name"] == "a"
    api.fail(kind="drop", method="PATCH")
    with pytest.raises(Unavailable):
        cluster.patch_pod("a", "default", uid, annotations={"x": "1"})
    assert sum(item["method"] == "PATCH" for item in api.requests(TOKEN)) == 1


@pytest.mark.parametrize(
    ("status", "cls"), [(429, Unavailable), (500, Unavailable), (503, Unavailable), (504, Timeout)]
)
def test_an_overloaded_server_is_asked_once(
    cluster: KubeCluster, api: KubeApiProcess, status: int, cls: type[Exception], calls: list[tuple[str, str, int]]
) -> None:
    api.create(pod("a"))
    api.fail(kind="status", status=status)
    with pytest.raises(cls):
        cluster.get("Pod", "a")
    assert calls == [("get", "Pod", status)]


def test_a_paused_server_is_given_up(api: KubeApiProcess, tmp_path: Path) -> None:
    cluster = agent(api, tmp_path, timeouts=(5.0, 0.2))
    api.create(pod("a"))
    os.kill(api.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Timeout, match="not overloaded or paused"):
            cluster.get("Pod", "a")
        assert "cannot be reached since" in cluster.problems()[0].message
    finally:
        os.kill(api.pid, signal.SIGCONT)
    until(lambda: _can_get(cluster), "the answer")
    assert cluster.problems() == ()
    cluster.close()


def _can_get(cluster: KubeCluster) -> bool:
    try:
        cluster.get("Pod", "a")
    except (Timeout, Unavailable):
        return False
    return True
