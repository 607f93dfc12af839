"""Which Pods share workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.pod import NETWORKS_ANNOTATION
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods._lanes import Lanes
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet_testing.contract_objects import record
from secnet_testing.objects import nad
from secnet_testing.scripted_plugins import Script, toy_registry


def pod(name: str, networks: str = "") -> dict[str, Any]:
    annotations = {NETWORKS_ANNOTATION: networks} if networks else {}
    return {"metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}", "annotations": annotations}}


class Scene:
    """A node with the network `blue` of the type `toy`."""

    def __init__(self, folder: Path) -> None:
        self.pods, self.journal = PodTable("node-1"), Journal(folder)
        self.nads = NadCache(toy_registry(Script()))
        self.nads.update(nad("blue", network_type="toy"))
        self.lanes = Lanes(self.pods, self.nads, self.journal)

    def of(self, name: str) -> Any:
        return self.lanes.of(("default", name))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_pod_is_of_the_types_that_its_annotation_asks_for(scene: Scene) -> None:
    scene.pods.update(pod("web", "blue"))
    scene.pods.update(pod("plain"))
    scene.pods.update(pod("typo", '[{"name": "blue"'))
    scene.pods.update(pod("early", "green"))
    assert [scene.of(name) for name in ("web", "plain", "typo", "early", "absent")] == [("toy",), (), (), (), ()]
    scene.nads.update(nad("green", network_type="toy"))
    assert scene.of("early") == ("toy",)


def test_an_edited_annotation_counts(scene: Scene) -> None:
    scene.pods.update(pod("web"))
    assert scene.of("web") == ()
    scene.pods.update(pod("web", "blue"))
    assert scene.of("web") == ("toy",)


def test_what_a_pod_still_has_counts_too(scene: Scene) -> None:
    """Its annotation, or its object, may be gone: the driver has to detach."""
    scene.journal.write(record())
    assert scene.of("web") == ("toy",)
    scene.pods.update(pod("web"))
    assert scene.of("web") == ("toy",)


def test_no_pod_ends_a_worker(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Patched in: a fault that no one thought of."""
    scene.pods.update(pod("web", "blue"))
    del scene.nads.__dict__["_lock"]
    assert scene.of("web") == ()
    assert "default/web" in caplog.text
