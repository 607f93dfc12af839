"""All networks of a sandbox at once: whose namespace it is before, during and after."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.devices import AnnotatedDevices, DeviceAllocator
from secnet.agent.model.record import Phase, Record
from secnet.agent.model.report import SyncResult
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.networks import desired
from secnet.agent.networks.annotation import InvalidAnnotation, parse_networks
from secnet.agent.networks.desired import DesiredNetworks
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.late_nads import LateNads
from secnet.agent.pods.sandbox_attach import SandboxAttach
from secnet.agent.sandboxes.ownership import NetnsOwnership
from secnet.contract import Busy, Cancelled, Conflict, NetnsRef, ObjectNotFound, SecnetError, Unavailable
from secnet_testing.scripted_plugins import Rig, fail, make_rig, make_worker, toy_registry

USED_AGAIN = NetnsRef(path="/run/netns/none", device=1, inode=2)  # without a cookie, as on kernels before 5.14


def pod(name: str, networks: str = "blue") -> dict[str, Any]:
    annotations = {"k8s.v1.cni.cncf.io/networks": networks}
    return {"metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}", "annotations": annotations}}


def nad(name: str) -> dict[str, Any]:
    config = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy", "ipam": {"type": "pool"}}
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"config": json.dumps(config)}}


class Scene:
    """Attaches over the toys."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        registry = toy_registry(rig.script)
        self.nads = nads = NadCache(registry)
        nads.update(nad("blue"))
        self.late: set[str] = set()
        self.unreachable = False
        self.ownership = NetnsOwnership()
        self.sandboxes = SandboxAttach(
            worker=make_worker(rig),
            journal=rig.journal,
            desired=DesiredNetworks(nads, registry),
            devices=DeviceAllocator(AnnotatedDevices(), rig.journal),
            ownership=self.ownership,
            late_nads=LateNads(self, nads),  # type: ignore[arg-type]  # it asks for NADs only
        )

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """The source of the objects, for what the cache lacks."""
        if self.unreachable:
            raise Unavailable("the API server does not answer")
        if name not in self.late:
            raise ObjectNotFound("there is no such object")
        return nad(name)

    def attach(self, name: str, networks: str = "blue") -> tuple[SyncResult, tuple[Record, ...]]:
        sandbox = Sandbox(container_id=f"of-{name}", netns=USED_AGAIN)
        return self.sandboxes.attach(pod(name, networks), sandbox, threading.Event())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(make_rig(tmp_path))


def test_a_namespace_is_free_again_after_the_del(scene: Scene) -> None:
    scene.attach("a")
    with pytest.raises(Conflict, match="already belongs to Pod default/a"):
        scene.attach("b")
    assert scene.sandboxes.detach("of-a") == {("default", "b")}, "the Pod that was refused is returned"
    scene.attach("b")


def test_a_namespace_stays_taken_while_something_of_the_pod_is_in_it(scene: Scene) -> None:
    scene.attach("a")
    scene.rig.script.instead["detach"] = fail(Busy("not yet"))
    assert scene.sandboxes.detach("of-a") == set()
    with pytest.raises(Conflict):
        scene.attach("b")


@pytest.mark.parametrize(
    ("networks", "error"), [("blue,missing", ObjectNotFound), ("blue", Busy)], ids=["refused", "failed"]
)
def test_a_sandbox_that_failed_keeps_no_namespace(scene: Scene, networks: str, error: type[SecnetError]) -> None:
    scene.rig.script.instead["attach"] = fail(Busy("not yet"))
    with pytest.raises(error):
        scene.attach("a", networks)
    del scene.rig.script.instead["attach"]
    scene.attach("b")


def test_a_late_del_takes_nothing_from_a_later_pod(scene: Scene) -> None:
    scene.attach("a")
    records = scene.rig.journal.records()
    scene.sandboxes.detach("of-a")
    scene.attach("b")
    for record in records:
        scene.rig.journal.write(record)
    assert scene.sandboxes.detach("of-a") == set()
    with pytest.raises(Conflict, match="already belongs to Pod default/b"):
        scene.attach("c")


def test_each_network_is_planned_once_and_the_annotation_parsed_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def counted(text: str, *rest: Any) -> Any:
        parsed.append(text)
        return parse_networks(text, *rest)

    monkeypatch.setattr(desired, "parse_networks", counted)  # the real parser, counted
    result, records = scene.attach("a", "blue,blue@net1")
    assert parsed == ["blue,blue@net1"]
    assert scene.rig.script.log.count("plan") == 2
    assert [record.key.ifname for record in records] == ["eth1", "net1"]
    assert result.report is not None
    assert [(each.interface, each.phase) for each in result.report.networks] == [
        ("eth1", "Attached"),
        ("net1", "Attached"),
    ]
    assert [record.key.ifname for record in result.made] == ["eth1", "net1"]


def test_all_networks_are_planned_before_the_first_address_is_taken(scene: Scene) -> None:
    scene.attach("a", "blue,blue@net1")
    log = scene.rig.script.log
    assert log.index("allocate") > max(place for place, method in enumerate(log) if method == "plan")


def test_an_add_that_comes_again_keeps_what_is_there(scene: Scene) -> None:
    _, first = scene.attach("a")
    result, again = scene.attach("a")
    assert again == first
    assert result.made == ()
    assert result.report is not None
    assert [each.phase for each in result.report.networks] == ["Attached"]


def test_an_add_that_comes_again_reports_why_a_network_could_not_be_attached_now(scene: Scene) -> None:
    scene.attach("a")
    scene.nads.update({"metadata": {"namespace": "default", "name": "blue"}, "spec": {"config": "{"}})
    result, records = scene.attach("a")
    assert len(records) == 1, "a living attachment stays"
    assert [error.reason for error in result.errors] == ["InvalidNetwork"]


def test_containers_do_not_start_without_a_network_whose_selection_is_malformed(scene: Scene) -> None:
    with pytest.raises(InvalidAnnotation) as caught:
        scene.attach("a", '[{"name": "blue"}, {"name": "blue", "mac": "x"}]')
    assert caught.value.path == "$[1].mac"
    assert scene.rig.journal.records() == ()
    assert "allocate" not in scene.rig.script.log


def test_an_add_that_comes_again_keeps_what_is_there_while_its_selection_is_malformed(scene: Scene) -> None:
    _, first = scene.attach("a")
    result, again = scene.attach("a", '[{"name": "blue", "mac": "x"}]')
    assert again == first
    assert [error.path for error in result.errors] == ["$[0].mac"]


def test_an_annotation_that_asks_for_nothing_any_more_leaves_nothing(scene: Scene) -> None:
    scene.attach("a")
    with pytest.raises(Conflict):
        scene.attach("b")
    result, records = scene.attach("a", "[]")
    assert (result.report, records, scene.rig.journal.records()) == (None, (), ())
    assert result.released == {("default", "b")}


THREE = "blue,blue@net1,blue@net2"


@pytest.mark.parametrize("place", ["plan", "allocate", "attach", "check"])
@pytest.mark.parametrize("error", [Cancelled("x"), ValueError("x"), KeyboardInterrupt()], ids=repr)
def test_whatever_ends_an_add_leaves_nothing_of_it(scene: Scene, place: str, error: BaseException) -> None:
    """At the second of three networks: the others are attached, planned, or not begun."""
    calls: list[str] = []
    run = scene.rig.script.run

    def fails_once(method: str, result: Any) -> Any:
        calls.append(method)
        if method == place and calls.count(place) == 2:
            raise error
        return run(method, result)

    scene.rig.script.run = fails_once  # type: ignore[method-assign]
    with pytest.raises((SecnetError, KeyboardInterrupt)):
        scene.attach("a", THREE)
    assert scene.rig.journal.records() == ()
    scene.attach("b")


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_what_an_agent_that_died_had_planned_is_removed_and_attached_again(scene: Scene, finished: int) -> None:
    worker = make_worker(scene.rig)
    scene.attach("a", THREE)
    for record in scene.rig.journal.records()[finished:]:  # as they stood when it died
        scene.rig.journal.write(record.replace(phase=Phase.PLANNED, result=None))
    scene.rig.script.log.clear()
    result, records = scene.attach("a", THREE)
    assert [record.phase for record in records] == [Phase.ATTACHED] * 3
    assert len(result.made) == scene.rig.script.log.count("detach") == 3 - finished
    assert [worker.findings(record) for record in records] == [()] * 3


def test_a_nad_that_the_watch_has_not_reported_is_looked_for(scene: Scene) -> None:
    scene.late.add("red")
    result, records = scene.attach("a", "blue,red")
    assert [str(record.attachment.request.network) for record in records] == ["default/blue", "default/red"]
    assert result.report is not None
    assert result.report.attached


def test_only_the_source_decides_that_there_is_no_nad(scene: Scene) -> None:
    with pytest.raises(ObjectNotFound, match="default/red"):
        scene.attach("a", "blue,red")
    scene.unreachable = True
    with pytest.raises(Unavailable):
        scene.attach("a", "blue,red")
    assert scene.rig.journal.records() == ()
