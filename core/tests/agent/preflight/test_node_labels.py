"""The labels of the own Node, and what is kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.config.settings import Settings
from secnet.agent.preflight.node_labels import read_labels, remember_labels, remembered_labels
from secnet.contract import ObjectNotFound
from secnet_testing.kubeapi.process import KubeApiProcess


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(node_name="worker-1", state_dir=tmp_path / "state")


def test_the_labels_of_the_node_of_our_name(kubeapi: KubeApiProcess, open_reader: Any, settings: Settings) -> None:
    with pytest.raises(ObjectNotFound):
        read_labels(open_reader(), settings)
    for name, labels in (("worker-1", None), ("worker-2", {"rack": "b"})):
        kubeapi.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    assert read_labels(open_reader(), settings) == {}
    kubeapi.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1", "labels": {"rack": "a"}}})
    assert read_labels(open_reader(), settings) == {"rack": "a"}


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_memory_is_none(settings: Settings, text: str) -> None:
    assert remembered_labels(settings) is None
    remember_labels(settings, {"rack": "a"})
    assert remembered_labels(settings) == {"rack": "a"}
    (file,) = settings.state_dir.rglob("*.json")
    file.write_text(text)
    assert remembered_labels(settings) is None
