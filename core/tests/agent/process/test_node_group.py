"""Which labels an agent begins with, and when it has to begin again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.config.settings import KubernetesSettings, Settings
from secnet.agent.preflight.node_labels import remember_labels
from secnet.agent.process.node_group import GroupWatch, has_groups, wait_for_labels
from secnet_testing.kubeapi.process import KubeApiProcess

GROUPS = {
    "rack-a": {"selector": {"matchLabels": {"rack": "a"}}},
    "storage": {"selector": {"matchExpressions": [{"key": "storage", "operator": "Exists"}]}},
}


class Api:
    """Where the labels of the Node worker-1 come from; stands for a whole `Cluster`, of which nothing else is asked."""

    def __init__(self, api: KubeApiProcess, open_reader: Any) -> None:
        self._api = api
        self.reader = open_reader

    def label(self, **labels: str) -> None:
        self._api.no_faults()
        self._api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1", "labels": labels}})

    def fail(self) -> None:
        self._api.fail(kind="status", status=503, path="/nodes/worker-1")


@pytest.fixture
def api(kubeapi: KubeApiProcess, open_reader: Any) -> Any:
    return Api(kubeapi, open_reader)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        node_name="worker-1", state_dir=tmp_path / "state", kubernetes=KubernetesSettings(), node_groups=GROUPS
    )


def test_groups_need_the_kubernetes_api() -> None:
    assert not has_groups(Settings(node_name="n", node_groups=GROUPS))
    assert not has_groups(Settings(node_name="n", kubernetes=KubernetesSettings()))
    assert has_groups(Settings(node_name="n", kubernetes=KubernetesSettings(), node_groups=GROUPS))


def test_the_labels_that_the_node_has_win_over_those_of_the_last_start(api: Any, settings: Settings) -> None:
    remember_labels(settings, {"rack": "b"})
    api.label(rack="a")
    assert wait_for_labels(settings, api, lambda seconds: True) == {"rack": "a"}


def test_without_an_answer_those_of_the_last_start_hold(
    api: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    remember_labels(settings, {"rack": "b"})
    api.fail()
    assert wait_for_labels(settings, api, lambda seconds: True) == {"rack": "b"}
    assert "those of the last start" in caplog.text


def test_with_neither_it_waits_until_there_is_an_answer_or_a_stop(
    api: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    api.fail()
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 2:
            api.label(rack="a")
        return False

    assert wait_for_labels(settings, api, pause) == {"rack": "a"}
    assert len(waited) == 2
    assert "waiting for the labels of Node worker-1" in caplog.text
    api.fail()
    assert wait_for_labels(settings, api, lambda seconds: True) is None


def test_only_another_group_is_a_reason_to_begin_again(
    api: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    watch = GroupWatch(settings, api, lambda: None)
    api.label(rack="b", other="x")
    assert not watch.look()
    api.fail()
    assert not watch.look(), "the API does not answer"
    assert caplog.text == ""
    api.label(rack="a", storage="yes")
    assert not watch.look()
    assert not watch.look()
    assert caplog.text.count("match the node groups rack-a and storage") == 1, "said once"
    api.label(rack="a")
    assert watch.look()
    assert "select the node group 'rack-a' in place of no node group" in caplog.text
    watch.close()
