"""What one Pod's sync leaves alone, and what it tells of a living interface."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.claims import Claims
from secnet.agent.journal import Record
from secnet.agent.nads import Nads
from secnet.agent.pod_sync import PodSync, SyncResult
from secnet.agent.sandbox import Sandbox
from secnet.agent.sweep import Sweeper
from secnet.agent.wanted import Wanted
from secnet.contract import Call, NetnsRef, NotReady
from secnet_testing.builders import POD, record
from secnet_testing.toys import Rig, make_rig, toy_registry

KEY = (POD.namespace, POD.name)


class NoSandbox:
    """A source that finds no sandbox, and knows of one that lives."""

    def __init__(self) -> None:
        self.ended = False

    def resolve(self, pod: Mapping[str, Any]) -> Sandbox:
        raise NotReady("no sandbox")

    def glance(self, pod: Mapping[str, Any]) -> Hashable:
        return None

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        return None

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        return self.ended


class Scene:
    """A sync over the toys, with one attachment whose namespace cannot be looked at."""

    def __init__(self, rig: Rig, netns: NetnsRef) -> None:
        self.rig = rig
        self.source = NoSandbox()
        old = record()
        request = replace(old.attachment.request, netns=netns)
        self.record: Record = replace(old, attachment=replace(old.attachment, request=request))
        rig.journal.write(self.record)
        registry = toy_registry(rig.script)
        self.pod_sync = PodSync(
            pipeline=rig.pipeline,
            journal=rig.journal,
            wanted=Wanted(Nads(registry), registry),
            source=self.source,
            claims=Claims(),
            sweeper=Sweeper(
                plugins=None,  # type: ignore[arg-type]  # nothing is attached here
                journal=rig.journal,
                sandboxes=dict,
                pod_exists=lambda namespace, name: True,
            ),
            make_call=lambda request, cancel: Call.within(5, cancel=cancel),
        )

    def sync(self, uid: str | None = POD.uid) -> SyncResult:
        """uid: of the Pod as the API has it now, None for no Pod."""
        annotations = {"k8s.v1.cni.cncf.io/networks": "blue@eth1"}
        meta = {"namespace": POD.namespace, "name": POD.name, "uid": uid, "annotations": annotations}
        return self.pod_sync.sync(KEY, None if uid is None else {"metadata": meta}, threading.Event())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    return Scene(make_rig(tmp_path / "journal"), NetnsRef(path=str(loop), device=1, inode=2))


def test_a_namespace_that_cannot_be_looked_at_stays_and_the_sync_comes_to_its_end(scene: Scene) -> None:
    result = scene.sync()
    assert result.report is not None
    assert result.report.error is not None
    assert result.report.error.reason == "NotReady"
    assert [network.phase for network in result.report.networks] == ["Attached"]
    assert scene.rig.journal.records() == (scene.record,)


@pytest.mark.parametrize("uid", [None, "another"], ids=["no object", "a later Pod of the name"])
def test_what_outlives_its_pod_stays_until_its_sandbox_ends(scene: Scene, uid: str | None) -> None:
    result = scene.sync(uid)
    assert scene.rig.journal.records() == (scene.record,)
    assert result.errors
    assert all(error.retryable for error in result.errors), "it is looked at again"
    scene.source.ended = True
    scene.sync(uid)
    assert scene.rig.journal.records() == ()


def test_what_outlives_its_pod_is_not_told_of_a_later_pod_of_the_name(scene: Scene) -> None:
    result = scene.sync("another")
    assert result.records == ()
    assert result.report is not None
    assert [network.phase for network in result.report.networks] == ["Pending"]
