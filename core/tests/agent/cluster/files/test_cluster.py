"""The manifest cluster keeps the rules of every cluster, and its two halves work together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kube import KubeCluster
from secnet.contract import InvalidConfig, ObjectNotFound

from ..helpers import Recorder, pod, pool, until
from ..rules import ObjectRules
from ..rules_pods import PodRules
from ..rules_watch import WatchRules


class _World:
    def __init__(self, state_dir: Path) -> None:
        self.time = 1_600_000_000.0
        self.cluster = ManifestCluster(state_dir, clock=lambda: self.time)
        self.second = ManifestCluster(state_dir, clock=lambda: self.time)

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        return self.second.store.apply(obj)[1]

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        self.second.store.delete(kind, name, namespace)

    def close(self) -> None:
        self.cluster.close()
        self.second.close()


class TestManifestCluster(ObjectRules, WatchRules, PodRules):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[_World]:
        world = _World(tmp_path / "state")
        yield world
        world.close()


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


def test_the_directory_is_taken_in_before_the_first_watch_is_synced(tmp_path: Path, manifests: Path) -> None:
    (manifests / "a.json").write_text(json.dumps(pod("a")))
    cluster = ManifestCluster(tmp_path / "state", manifests)
    recorder = Recorder()
    try:
        assert cluster.watch(("Pod",), recorder).synced.wait(20)
        assert recorder.seen == [("ADDED", "a")]
        (manifests / "b.json").write_text(json.dumps(pod("b")))
        recorder.wait_for("ADDED", "b")
        (manifests / "a.json").unlink()
        recorder.wait_for("DELETED", "a")
    finally:
        cluster.close()


def test_problems_of_the_directory_and_of_the_store(tmp_path: Path, manifests: Path) -> None:
    (manifests / "bad.yaml").write_text("kind: [Pod\n")
    cluster = ManifestCluster(tmp_path / "state", manifests)
    cluster.store.apply(pod("a"))
    assert cluster.problems() == ()
    (file,) = (tmp_path / "state").glob("objects/Pod/*/a.json")
    file.write_text("{")
    try:
        assert cluster.watch(("IPPool",), Recorder()).synced.wait(20)
        assert [problem.source for problem in cluster.problems()] == [str(file), f"{manifests}/bad.yaml:2"]
        file.unlink()
        (manifests / "bad.yaml").unlink()
        until(lambda: not cluster.problems(), "the end of the problems")
    finally:
        cluster.close()


def test_what_apply_hands_over_arrives_at_another_process(tmp_path: Path) -> None:
    agent, command = ManifestCluster(tmp_path / "state"), FileStore(tmp_path / "state")
    recorder = Recorder()
    try:
        assert agent.watch(("Pod", "IPPool"), recorder).synced.wait(20)
        command.apply(pool("p"), "pools.yaml")
        recorder.wait_for("ADDED", "p")
        command.delete("IPPool", "p")
        recorder.wait_for("DELETED", "p")
    finally:
        agent.close()


def test_unknown_kinds_are_refused(tmp_path: Path) -> None:
    cluster = ManifestCluster(tmp_path / "state")
    with pytest.raises(InvalidConfig, match=r"did you mean Pod\?"):
        cluster.get("Pods", "a")


@pytest.mark.parametrize("name", ["../../outside", "a/b", "..", "", "\0", "ä", "x" * 300])
def test_a_name_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    cluster = ManifestCluster(tmp_path / "state")
    cluster.store.apply(pod("a"))
    for namespace in ("default", name):
        with pytest.raises(ObjectNotFound):
            cluster.get("Pod", name, namespace)
        with suppress(ObjectNotFound):
            cluster.store.delete("Pod", name, namespace)
    assert outside.read_text() == "{}"
    assert cluster.list("Pod", name or "x") == []


def test_an_event_is_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cluster = ManifestCluster(tmp_path / "state")
    with caplog.at_level("INFO"):
        cluster.record_event(pod("a"), warning=True, reason="NotReady", message="no bridge")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Pod default/a: NotReady: no bridge")
    ]


def test_annotations_are_trusted_here_and_not_in_a_cluster() -> None:
    assert ManifestCluster.traits.trusts_annotations
    assert not KubeCluster.traits.trusts_annotations


def test_every_agents_ledger_can_be_read_here_and_not_in_a_cluster() -> None:
    """There each node has a state directory of its own; an empty ledger of others would be taken for their word."""
    assert ManifestCluster.traits.common_ledgers
    assert not KubeCluster.traits.common_ledgers
