"""What one Pod's sync leaves alone, and what it tells of a living interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.devices import AnnotatedDevices, DeviceAllocator
from secnet.agent.model.record import Record
from secnet.agent.model.report import SyncResult
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.networks.desired import DesiredNetworks
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.late_start import LateStart
from secnet.agent.pods.sync import PodSync
from secnet.agent.sandboxes.ownership import NetnsOwnership
from secnet.contract import (
    ADDRESS_OF_ANOTHER,
    Busy,
    CheckReport,
    ErrorInfo,
    Finding,
    NetnsRef,
    NotReady,
    Unavailable,
)
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Rig, fail, make_rig, make_worker, toy_registry

KEY = (POD.namespace, POD.name)


class Source:
    """A source that finds no sandbox, or the one it is given, and knows of one that lives."""

    def __init__(self) -> None:
        self.found: Sandbox | None = None
        self.ended = False
        self.fault: Exception | None = None

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        if self.fault is not None:
            raise self.fault
        if self.found is None:
            raise NotReady("no sandbox")
        return self.found

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        return None

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        return None

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        return self.ended


class Scene:
    """A sync over the toys, with one attachment."""

    def __init__(
        self, rig: Rig, record: Record, *, lease_check_seconds: float = 0.0, late_start: LateStart | None = None
    ) -> None:
        self.rig = rig
        self.source = Source()
        self.record = record
        rig.journal.write(record)
        registry = toy_registry(rig.script)
        nads = NadCache(registry)
        config = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy", "ipam": {"type": "pool"}}
        nads.update({"metadata": {"namespace": "default", "name": "blue"}, "spec": {"config": json.dumps(config)}})
        self.pod_sync = PodSync(
            worker=make_worker(rig, lease_check_seconds=lease_check_seconds),
            journal=rig.journal,
            desired=DesiredNetworks(nads, registry),
            devices=DeviceAllocator(AnnotatedDevices(), rig.journal),
            source=self.source,
            ownership=NetnsOwnership(),
            late_start=late_start,
        )

    def sync(self, uid: str | None = POD.uid, *, verify: bool = False) -> SyncResult:
        """uid: of the Pod as the API has it now, None for no Pod."""
        annotations = {"k8s.v1.cni.cncf.io/networks": "blue"}
        meta = {"namespace": POD.namespace, "name": POD.name, "uid": uid, "annotations": annotations}
        return self.pod_sync.sync(KEY, None if uid is None else {"metadata": meta}, threading.Event(), verify=verify)

    def error(self) -> ErrorInfo | None:
        """What the check of the one network found."""
        report = self.sync(verify=True).report
        assert report is not None
        (network,) = report.networks
        return network.error


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """With an attachment whose namespace cannot be looked at."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    old = record()
    request = replace(old.attachment.request, netns=NetnsRef(path=str(loop), device=1, inode=2))
    return Scene(make_rig(tmp_path / "journal"), replace(old, attachment=replace(old.attachment, request=request)))


def test_a_namespace_that_cannot_be_checked_stays_and_the_sync_comes_to_its_end(scene: Scene) -> None:
    result = scene.sync()
    assert result.report is not None
    assert result.report.error is not None
    assert result.report.error.reason == "NotReady"
    assert [network.phase for network in result.report.networks] == ["Attached"]
    assert scene.rig.journal.records() == (scene.record,)


def test_a_fault_of_ours_is_reported_and_tried_again(scene: Scene) -> None:
    scene.source.fault = RecursionError("too deep")
    result = scene.sync()
    assert result.report is not None
    assert (result.report.error and result.report.error.reason) == "InternalError"
    assert [network.phase for network in result.report.networks] == ["Attached"]
    assert [error.retryable for error in result.errors] == [True]
    assert result.records == scene.rig.journal.records() == (scene.record,)


@pytest.mark.parametrize("uid", [None, "another"], ids=["no object", "a later Pod of the name"])
def test_what_outlives_its_pod_stays_until_its_sandbox_ends(scene: Scene, uid: str | None) -> None:
    result = scene.sync(uid)
    assert scene.rig.journal.records() == (scene.record,)
    assert result.errors
    assert all(error.retryable for error in result.errors), "it is looked at again"
    scene.source.ended = True
    scene.sync(uid)
    assert scene.rig.journal.records() == ()


def test_what_outlives_its_pod_is_not_reported_of_a_later_pod_of_the_name(scene: Scene) -> None:
    result = scene.sync("another")
    assert result.records == ()
    assert result.report is not None
    assert [network.phase for network in result.report.networks] == ["Pending"]


@pytest.fixture
def attached(tmp_path: Path) -> Scene:
    """With a living attachment, whose lease was just checked and is not due again."""
    rig = make_rig(tmp_path / "journal")
    rig.script.pool = "blue"
    scene = Scene(rig, rig.attach(), lease_check_seconds=3600)
    request = scene.record.attachment.request
    scene.source.found = Sandbox(container_id=request.container_id, netns=request.netns)
    return scene


@pytest.mark.parametrize("late", [True, False])
def test_what_is_attached_after_the_start_of_its_sandbox_is_marked_as_late(tmp_path: Path, late: bool) -> None:
    rig = make_rig(tmp_path / "journal")
    scene = Scene(
        rig,
        rig.attach(),
        late_start=LateStart(chaining=lambda: late, called=lambda container_id: False),
    )
    request = scene.record.attachment.request
    scene.source.found = Sandbox(container_id=request.container_id, netns=request.netns, asked=True)
    assert scene.sync().made == ()
    rig.journal.remove(scene.record.key)
    (made,) = scene.sync().made
    assert made.late is late
    assert rig.journal.records() == (made,)


def lost(scene: Scene, *codes: str) -> None:
    """From now on the pools say this of the lease, and do not take the address back."""
    found = tuple(Finding(code=code, message=f"found {code}", repairable=False) for code in codes)
    scene.rig.script.instead |= {"check_lease": lambda: CheckReport(findings=found), "allocate": fail(Busy("no pool"))}


def test_a_pool_that_is_gone_has_a_reason_of_its_own_which_stays_until_the_lease_is_checked_again(
    attached: Scene,
) -> None:
    lost(attached, "PoolGone")
    for _ in range(2):  # the second check is before the lease is due again
        error = attached.error()
        assert error is not None
        assert (error.reason, error.retryable) == ("LeaseNotListed", False)
        assert "found PoolGone" in error.message
        assert "no pool" in error.message
    assert attached.rig.script.log.count("check_lease") == 1
    assert attached.sync().errors == (error,), "shown between the checks as well"


def test_what_outlives_its_pod_has_its_addresses_listed_again_at_each_look(attached: Scene, scene: Scene) -> None:
    """Other nodes give them back after some minutes: they see only that there is no such Pod."""
    old = attached.record
    unseen = replace(old.attachment.request, netns=scene.record.attachment.request.netns)
    attached.record = old.replace(attachment=replace(old.attachment, request=unseen))
    attached.rig.journal.write(attached.record)
    attached.rig.script.log.clear()
    for looks in (1, 2):
        attached.sync(None, verify=True)
        assert attached.rig.script.log.count("check_lease") == looks
    lost(attached, "AddressNotListed")
    attached.sync(None, verify=True)
    assert attached.rig.journal.records() == (attached.record,), "no one else has it"
    attached.rig.script.instead["check_lease"] = fail(Unavailable("no pools"))
    attached.sync(None, verify=True)
    assert attached.rig.journal.records() == (attached.record,), "nothing is known"
    lost(attached, ADDRESS_OF_ANOTHER)
    attached.sync(None)
    assert attached.rig.journal.records() == (attached.record,), "not looked at"
    attached.sync(None, verify=True)
    assert attached.rig.journal.records() == ()


def test_an_address_that_is_given_to_another_is_drift(attached: Scene) -> None:
    lost(attached, ADDRESS_OF_ANOTHER)
    error = attached.error()
    assert error is not None
    assert error.reason == "Degraded"


def test_what_is_wrong_with_the_interface_counts_more(attached: Scene) -> None:
    lost(attached, "PoolGone")
    gone = Finding(code="PortForeign", message="found PortForeign", repairable=False)
    attached.rig.script.instead["check"] = lambda: CheckReport(findings=(gone,))
    error = attached.error()
    assert error is not None
    assert (error.reason, "found PoolGone" in error.message) == ("Degraded", True)
    del attached.rig.script.instead["check"]
    error = attached.error()
    assert error is not None
    assert error.reason == "LeaseNotListed"


def test_a_pod_with_many_networks_gives_way_between_two_of_them(tmp_path: Path) -> None:
    rig = make_rig(tmp_path / "journal")
    scene = Scene(rig, rig.attach())
    request = scene.record.attachment.request
    scene.source.found = Sandbox(container_id=request.container_id, netns=request.netns)
    annotations = {"k8s.v1.cni.cncf.io/networks": ",".join(["blue"] * 100)}
    pod = {"metadata": {"namespace": POD.namespace, "name": POD.name, "uid": POD.uid, "annotations": annotations}}
    rig.script.log.clear()
    seen: list[tuple[int, int]] = []

    def give_way() -> None:
        seen.append((rig.script.log.count("attach"), rig.script.log.count("detach")))

    result = scene.pod_sync.sync(KEY, pod, threading.Event(), give_way=give_way)
    assert len(result.records) == 100
    assert seen == [(number, 0) for number in range(1, 99)], "one of them was there before"
    seen.clear()
    scene.source.ended = True
    assert scene.pod_sync.sync(KEY, None, threading.Event(), give_way=give_way).records == ()
    assert seen == [(99, number) for number in range(1, 100)]
