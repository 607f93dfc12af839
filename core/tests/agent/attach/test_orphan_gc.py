"""What no record knows: who removes it, when, and who must not wait for it. The toys' inventory finds what a test says."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.orphan_gc import OrphanGarbageCollector
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Busy,
    Call,
    Cancelled,
    DeviceRef,
    ForeignObject,
    NetnsRef,
    NotReady,
)
from secnet_testing.contract_objects import request
from secnet_testing.scripted_plugins import Rig, fail, make_rig, toy_registry, toy_work

DEVICE, OTHER = DeviceRef(id="0000:3b:02.1"), DeviceRef(id="0000:3b:02.2")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


@pytest.fixture
def orphan_gc(rig: Rig) -> OrphanGarbageCollector:
    """Of a node without sandboxes: whatever the inventory finds is an orphan, as its namespace does not exist."""
    return OrphanGarbageCollector(
        plugins=Plugins(toy_registry(rig.script), Settings(node_name="n"), objects=None),  # type: ignore[arg-type]
        pipeline=rig.pipeline,
        journal=rig.journal,
        sandboxes=dict,
    )


def lost(device: DeviceRef | None = None, container: str = "old", ifname: str = "eth1") -> Attachment:
    return Attachment(request=request(ifname, container=container, device=device))


def elsewhere(device: DeviceRef | None = None) -> AttachRequest:
    """The wish of a Pod in another namespace."""
    return replace(
        request(container="third", device=device), netns=NetnsRef(path="/run/netns/other", device=1, inode=3)
    )


def collect(orphan_gc: OrphanGarbageCollector) -> None:
    orphan_gc.collect(["toy"], Call.within(5))


@pytest.mark.parametrize("moment", ["plan", "attach"])
def test_an_orphan_waits_for_the_attach_on_its_device_and_stays_then(
    rig: Rig, orphan_gc: OrphanGarbageCollector, moment: str
) -> None:
    """A driver takes over what an ended Pod left; to detach that so late would reset the device under the next Pod."""
    rig.script.found = (lost(DEVICE),)
    work = toy_work(container="new", device=DEVICE)
    answer = {"plan": Attachment(request=work.request), "attach": AttachResult(netdev=False)}[moment]

    def meanwhile() -> Any:
        collect(orphan_gc)
        return answer

    rig.script.instead[moment] = meanwhile
    record = rig.attach(work)
    collect(orphan_gc)
    assert rig.script.detached == []
    rig.pipeline.detach(record, Call.within(5))
    collect(orphan_gc)
    assert rig.script.detached == [record.key, lost().key]


def test_what_a_record_names_is_in_no_ones_way(
    rig: Rig, orphan_gc: OrphanGarbageCollector, caplog: pytest.LogCaptureFixture
) -> None:
    """A kill left it half-made: the record has it finished or removed, and its reader need not remove it."""
    work = toy_work()
    rig.script.instead["plan"] = lambda: Attachment(request=work.request, names={"host": "sn1"})
    rig.attach(work)
    rig.script.foreign = tuple(ForeignObject(kind="link", name=name, message="half-made") for name in ("sn1", "sn2"))
    collect(orphan_gc)
    assert "sn2 is in the way" in caplog.text
    assert "sn1" not in caplog.text


def test_a_detach_that_takes_long_keeps_no_one_of_its_type_waiting(rig: Rig, orphan_gc: OrphanGarbageCollector) -> None:
    rig.script.found = (lost(DEVICE),)
    seen: list[int] = []

    def meanwhile() -> None:
        orphan_gc.before_attach(elsewhere(OTHER), Call.within(5))
        seen.append(len(rig.script.detached))

    rig.script.instead["detach"] = meanwhile
    collect(orphan_gc)
    assert seen == [1]


def test_an_orphan_that_cannot_be_removed_is_in_the_way_of_no_other(
    rig: Rig, orphan_gc: OrphanGarbageCollector, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = lost(DEVICE), lost(container="older")
    rig.script.found = (first, second)
    rig.script.instead["detach"] = fail(NotReady("no driver is bound", hint="bind it"))
    for _ in range(2):
        orphan_gc.before_attach(elsewhere(OTHER), Call.within(5))
    assert rig.script.detached == [first.key, second.key], "each was tried, once"
    assert caplog.text.count("NotReady: no driver is bound; bind it") == 2
    collect(orphan_gc)
    assert rig.script.detached == [first.key, second.key] * 2, "it is tried again at the next run"
    del rig.script.instead["detach"]
    collect(orphan_gc)
    rig.script.found = ()
    collect(orphan_gc)
    assert rig.script.detached == [first.key, second.key] * 3


def test_a_leftover_in_the_very_way_fails_that_attach_only(rig: Rig, orphan_gc: OrphanGarbageCollector) -> None:
    rig.script.found = (lost(DEVICE),)
    rig.script.instead["detach"] = fail(Busy("on its way back"))
    for _ in range(2):
        with pytest.raises(Busy, match="on its way back"):
            orphan_gc.before_attach(request(container="new"), Call.within(5))
        orphan_gc.before_attach(elsewhere(), Call.within(5))
    del rig.script.instead["detach"]
    orphan_gc.before_attach(request(container="new"), Call.within(5))
    detached = len(rig.script.detached)
    orphan_gc.before_attach(request(container="new"), Call.within(5))
    assert len(rig.script.detached) == detached, "it is gone"


def test_who_has_no_time_left_tries_no_further_orphan(rig: Rig, orphan_gc: OrphanGarbageCollector) -> None:
    rig.script.found = (lost(DEVICE), lost(container="older"))
    cancel = threading.Event()
    rig.script.instead["detach"] = cancel.set
    with pytest.raises(Cancelled):
        orphan_gc.before_attach(elsewhere(OTHER), Call.within(5, cancel=cancel))
    assert len(rig.script.detached) == 1


def test_what_stands_is_known_once_every_type_was_looked_at_and_only_while_it_can_be(
    rig: Rig, orphan_gc: OrphanGarbageCollector
) -> None:
    assert not orphan_gc.has_looked_at(["toy"])
    collect(orphan_gc)
    assert orphan_gc.has_looked_at(["toy"])
    assert not orphan_gc.has_looked_at(["toy", "another"])
    rig.script.instead["inventory"] = fail(NotReady("away"))
    collect(orphan_gc)
    assert not orphan_gc.has_looked_at(["toy"])
