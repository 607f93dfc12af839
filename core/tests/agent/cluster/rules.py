"""What every implementation of `Cluster` must do: a mix-in that a test class of each implementation inherits."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import pytest
from secnet.agent.cluster.base import Cluster, Event
from secnet.contract import ObjectNotFound, StoreConflict, Unsupported

from .helpers import NETWORKS, STATUS, Recorder, nad, pod, pool, until


class World(Protocol):
    """A cluster under test, seen by two clients, and the means to make and remove objects in it.

    time: what the clocks of both clients show.
    """

    cluster: Cluster
    second: Cluster
    time: float

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Make an object, or change the one of this name; returns the live one."""
        ...

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object."""
        ...


_READY = "secnet.io/SecondaryNetworksReady"


def _condition(status: str, reason: str = "Attached", message: str = "") -> dict[str, Any]:
    return {"type": _READY, "status": status, "reason": reason, "message": message}


def _at_once(*jobs: Callable[[], object]) -> None:
    """Run them in threads; fails with what any of them raises."""
    faults: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as exc:
            faults.append(exc)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _until_no_conflict(change: Callable[[], object]) -> None:
    while True:
        try:
            change()
        except StoreConflict:
            continue
        return


class ClusterRules:
    """The subclass provides the fixture `world`."""

    def test_get_returns_a_fresh_copy(self, world: World) -> None:
        world.create(pod("a", "net1"))
        first = world.cluster.get("Pod", "a", "default")
        first["metadata"]["annotations"][NETWORKS] = "edited"
        first["spec"].clear()
        again = world.cluster.get("Pod", "a", "default")
        assert again["metadata"]["annotations"][NETWORKS] == "net1"
        assert again["spec"]["containers"]

    def test_an_object_has_identity_and_version(self, world: World) -> None:
        live = world.create(pool("p"))
        assert live["apiVersion"] == "crd.antrea.io/v1beta1"
        assert live["kind"] == "IPPool"
        meta = live["metadata"]
        assert "namespace" not in meta
        assert meta["uid"]
        assert meta["generation"] == 1
        assert int(meta["resourceVersion"]) > 0
        assert meta["creationTimestamp"].endswith("Z")

    def test_get_of_nothing(self, world: World) -> None:
        with pytest.raises(ObjectNotFound) as caught:
            world.cluster.get("Pod", "nobody", "default")
        assert "nobody" in str(caught.value)
        assert caught.value.hint

    def test_list_by_kind_and_namespace(self, world: World) -> None:
        for obj in (pod("b"), pod("a"), pod("a", namespace="other"), pool("a")):
            world.create(obj)
        listed = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in world.cluster.list("Pod")]
        assert listed == [("default", "a"), ("default", "b"), ("other", "a")]
        assert [o["metadata"]["name"] for o in world.cluster.list("Pod", "other")] == ["a"]
        assert world.cluster.list("Pod", "nowhere") == []
        assert [o["kind"] for o in world.cluster.list("IPPool")] == ["IPPool"]

    def test_list_returns_fresh_copies(self, world: World) -> None:
        world.create(pool("p"))
        world.cluster.list("IPPool")[0]["spec"].clear()
        assert world.cluster.list("IPPool")[0]["spec"]

    def test_status_update_changes_status_only(self, world: World) -> None:
        live = world.create(pool("p"))
        mine = copy.deepcopy(live)
        mine["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.2"}]}
        mine["spec"] = {}
        mine["metadata"]["labels"] = {"a": "b"}
        stored = world.cluster.update_status(mine)
        assert stored["status"] == mine["status"]
        assert stored["spec"] == live["spec"]
        assert "labels" not in stored["metadata"]
        assert stored["metadata"]["generation"] == 1
        assert int(stored["metadata"]["resourceVersion"]) > int(live["metadata"]["resourceVersion"])
        mine["status"]["ipAddresses"].clear()
        assert stored["status"]["ipAddresses"]
        assert world.second.get("IPPool", "p") == stored

    def test_an_equal_status_makes_no_new_version(self, world: World) -> None:
        live = world.create(pool("p"))
        live["status"] = {"usage": {"used": 0, "total": 253}}
        stored = world.cluster.update_status(live)
        again = world.cluster.update_status(copy.deepcopy(stored))
        assert again["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]

    def test_a_stale_status_update_is_a_conflict(self, world: World) -> None:
        world.create(pool("p"))
        mine, theirs = world.cluster.get("IPPool", "p"), world.second.get("IPPool", "p")
        theirs["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.2"}]}
        world.second.update_status(theirs)
        mine["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.3"}]}
        with pytest.raises(StoreConflict):
            world.cluster.update_status(mine)
        assert world.cluster.get("IPPool", "p")["status"] == theirs["status"]

    def test_a_status_update_of_a_successor_is_a_conflict(self, world: World) -> None:
        old = world.create(pool("p"))
        world.delete("IPPool", "p")
        new = world.create(pool("p"))
        assert new["metadata"]["uid"] != old["metadata"]["uid"]
        old["status"] = {"ipAddresses": []}
        with pytest.raises(StoreConflict):
            world.cluster.update_status(old)

    def test_a_status_update_of_nothing(self, world: World) -> None:
        live = world.create(pool("p"))
        world.delete("IPPool", "p")
        live["status"] = {"ipAddresses": []}
        with pytest.raises(ObjectNotFound):
            world.cluster.update_status(live)

    def test_annotations_are_set_and_taken_away_one_by_one(self, world: World) -> None:
        world.create(pod("a", "net1"))
        world.cluster.patch_annotations("Pod", "a", "default", {STATUS: "[]", "x": "1"})
        stored = world.second.patch_annotations("Pod", "a", "default", {"x": None, "y": "2"})
        assert stored["metadata"]["annotations"] == {NETWORKS: "net1", STATUS: "[]", "y": "2"}
        assert world.cluster.get("Pod", "a", "default") == stored

    def test_an_equal_annotation_makes_no_new_version(self, world: World) -> None:
        world.create(pod("a", "net1"))
        stored = world.cluster.patch_annotations("Pod", "a", "default", {STATUS: "[]"})
        again = world.cluster.patch_annotations("Pod", "a", "default", {STATUS: "[]", "absent": None})
        assert again["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]

    def test_a_stale_annotation_is_a_conflict(self, world: World) -> None:
        live = world.create(pod("a", "net1"))
        version, uid = live["metadata"]["resourceVersion"], live["metadata"]["uid"]
        world.second.patch_annotations("Pod", "a", "default", {"x": "1"}, resource_version=version, uid=uid)
        with pytest.raises(StoreConflict):
            world.cluster.patch_annotations("Pod", "a", "default", {"x": "2"}, resource_version=version)
        with pytest.raises(StoreConflict):
            world.cluster.patch_annotations(
                "Pod", "a", "default", {"x": "2"}, uid="00000000-0000-0000-0000-000000000000"
            )
        assert world.cluster.get("Pod", "a", "default")["metadata"]["annotations"]["x"] == "1"

    def test_annotations_of_nothing(self, world: World) -> None:
        with pytest.raises(ObjectNotFound):
            world.cluster.patch_annotations("Pod", "nobody", "default", {"x": "1"})

    def test_watch_tells_what_exists_and_then_what_changes(self, world: World) -> None:
        world.create(pod("a"))
        world.create(pool("p"))
        recorder = Recorder()
        watch = world.cluster.watch(("Pod",), recorder)
        assert watch.synced.wait(20)
        assert recorder.seen == [("ADDED", "a")]
        world.create(pod("b"))
        recorder.wait_for("ADDED", "b")
        world.second.patch_annotations("Pod", "a", "default", {"x": "1"})
        assert recorder.wait_for("MODIFIED", "a").object["metadata"]["annotations"]["x"] == "1"
        world.delete("Pod", "a", "default")
        gone = recorder.wait_for("DELETED", "a").object
        assert gone["metadata"]["annotations"]["x"] == "1"
        assert all(name != "p" for _, name in recorder.seen)
        versions = [int(event.object["metadata"]["resourceVersion"]) for event in recorder.events]
        assert versions == sorted(set(versions))

    def test_watch_tells_a_successor_apart(self, world: World) -> None:
        first = world.create(pod("a", "net1"))
        recorder = Recorder()
        assert world.cluster.watch(("Pod",), recorder).synced.wait(20)
        world.delete("Pod", "a", "default")
        second = world.create(pod("a", "net1"))
        until(lambda: len(recorder.seen) >= 3, "the successor")
        assert recorder.seen == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]
        uids = [event.object["metadata"]["uid"] for event in recorder.events]
        assert uids == [first["metadata"]["uid"]] * 2 + [second["metadata"]["uid"]]

    def test_watch_survives_a_handler_that_fails_and_one_that_edits(self, world: World) -> None:
        recorder = Recorder()

        def handler(event: Event) -> None:
            recorder(Event(type=event.type, object=copy.deepcopy(event.object)))
            event.object["metadata"].pop("annotations", None)
            raise RuntimeError("a fault of the handler")

        world.create(pod("a", "net1"))
        assert world.cluster.watch(("Pod",), handler).synced.wait(20)
        world.delete("Pod", "a", "default")
        assert recorder.wait_for("DELETED", "a").object["metadata"]["annotations"] == {NETWORKS: "net1"}

    def test_a_closed_watch_is_silent_and_leaves_no_thread(self, world: World) -> None:
        before = set(threading.enumerate())
        recorder = Recorder()
        watch = world.cluster.watch(("Pod",), recorder)
        assert watch.synced.wait(20)
        watch.close()
        watch.close()
        world.create(pod("late"))
        witness = Recorder()
        assert world.cluster.watch(("Pod",), witness).synced.wait(20)
        assert witness.seen == [("ADDED", "late")]
        assert recorder.seen == []
        world.cluster.close()
        world.cluster.close()
        assert set(threading.enumerate()) <= before

    def test_each_kind_that_is_watched_is_told_of(self, world: World) -> None:
        makers = {"Pod": pod, "NetworkAttachmentDefinition": nad, "IPPool": pool}
        assert {"Pod", "NetworkAttachmentDefinition"} <= set(world.cluster.watched)
        early = [world.create(makers[kind]("early")) for kind in world.cluster.watched]
        recorder = Recorder()
        assert world.cluster.watch(world.cluster.watched, recorder).synced.wait(20)
        late = [world.create(makers[kind]("late")) for kind in world.cluster.watched]
        until(lambda: len(recorder.events) >= len(early + late), "all of them")
        told = {
            (event.object["apiVersion"], event.object["kind"], event.object["metadata"]["uid"])
            for event in recorder.events
        }
        assert told == {(obj["apiVersion"], obj["kind"], obj["metadata"]["uid"]) for obj in early + late}

    def test_what_is_not_watched_is_refused(self, world: World) -> None:
        for kind in {"Pod", "NetworkAttachmentDefinition", "IPPool"} - set(world.cluster.watched):
            with pytest.raises(Unsupported, match=kind):
                world.cluster.watch(("Pod", kind), Recorder())

    def test_two_writers_of_a_status_lose_nothing(self, world: World) -> None:
        world.create(pool("p"))

        def add(cluster: Cluster, address: str) -> None:
            live = cluster.get("IPPool", "p")
            taken = (live.get("status") or {}).get("ipAddresses") or []
            live["status"] = {"ipAddresses": [*taken, {"ipAddress": address}]}
            cluster.update_status(live)

        def add_all(cluster: Cluster, third: int) -> None:
            for last in range(10):
                _until_no_conflict(partial(add, cluster, f"10.10.{third}.{last}"))

        _at_once(lambda: add_all(world.cluster, 1), lambda: add_all(world.second, 2))
        stored = [item["ipAddress"] for item in world.cluster.get("IPPool", "p")["status"]["ipAddresses"]]
        assert sorted(stored) == [f"10.10.{third}.{last}" for third in (1, 2) for last in range(10)]

    def test_two_writers_of_an_annotation_lose_nothing(self, world: World) -> None:
        world.create(pod("a"))

        def add(cluster: Cluster, entry: str) -> None:
            meta = cluster.get("Pod", "a", "default")["metadata"]
            text = f"{(meta.get('annotations') or {}).get(STATUS, '')} {entry}".strip()
            cluster.patch_annotations("Pod", "a", "default", {STATUS: text}, meta["resourceVersion"], meta["uid"])

        def add_all(cluster: Cluster, name: str) -> None:
            for number in range(10):
                _until_no_conflict(partial(add, cluster, f"{name}{number}"))

        _at_once(lambda: add_all(world.cluster, "x"), lambda: add_all(world.second, "y"))
        text = world.cluster.get("Pod", "a", "default")["metadata"]["annotations"][STATUS]
        assert sorted(text.split()) == [f"{name}{number}" for name in "xy" for number in range(10)]

    def test_a_condition_is_set_beside_the_others(self, world: World) -> None:
        live = world.create(pod("a"))
        uid, name = live["metadata"]["uid"], ("a", "default")
        world.time = 1_700_000_000.0
        world.cluster.set_condition(*name, uid, _condition("False", "Attaching"))
        world.second.set_condition(*name, uid, _condition("True") | {"type": "example.com/Other"})
        first = _conditions(world)
        assert first[_READY] == _condition("False", "Attaching") | {"lastTransitionTime": "2023-11-14T22:13:20Z"}
        world.time += 3600
        world.cluster.set_condition(*name, uid, _condition("False", "Unavailable", "no API"))
        assert _conditions(world)[_READY]["reason"] == "Unavailable"
        assert _conditions(world)[_READY]["lastTransitionTime"] == "2023-11-14T22:13:20Z"
        world.cluster.set_condition(*name, uid, _condition("True"))
        last = _conditions(world)
        assert last[_READY] == _condition("True") | {"lastTransitionTime": "2023-11-14T23:13:20Z"}
        assert last["example.com/Other"] == first["example.com/Other"]

    @pytest.mark.parametrize("watching", [False, True])
    def test_an_equal_condition_makes_no_new_version(self, world: World, watching: bool) -> None:
        live = world.create(pod("a"))
        recorder = Recorder()
        if watching:
            assert world.cluster.watch(("Pod",), recorder).synced.wait(20)
        for _ in range(3):
            world.time += 60
            world.cluster.set_condition("a", "default", live["metadata"]["uid"], _condition("True"))
            version = world.second.get("Pod", "a", "default")["metadata"]["resourceVersion"]
            assert int(version) > int(live["metadata"]["resourceVersion"])
            live["metadata"].setdefault("first", version)
            assert version == live["metadata"]["first"]
        world.time += 60
        if watching:
            recorder.wait_for("MODIFIED", "a")
        world.cluster.set_condition("a", "default", live["metadata"]["uid"], _condition("False"))
        assert _conditions(world)[_READY]["status"] == "False"

    def test_a_condition_of_a_successor_or_of_nothing(self, world: World) -> None:
        world.create(pod("a"))
        with pytest.raises(StoreConflict):
            world.cluster.set_condition("a", "default", "00000000-0000-0000-0000-000000000000", _condition("True"))
        with pytest.raises(ObjectNotFound):
            world.cluster.set_condition("nobody", "default", "00000000-0000-0000-0000-000000000000", _condition("True"))
        assert _READY not in _conditions(world)

    def test_an_event_never_fails(self, world: World) -> None:
        live = world.create(pod("a"))
        for odd in (live, {"metadata": {"name": "nobody", "namespace": "nowhere"}}, {}):
            world.cluster.record_event(odd, warning=True, reason="InvalidConfig", message="x" * 5000)
        world.cluster.close()
        world.cluster.record_event(live, warning=False, reason="Attached", message="after the end")


def _conditions(world: World) -> dict[str, dict[str, Any]]:
    """Of the Pod `a`, by type."""
    found = world.second.get("Pod", "a", "default").get("status", {}).get("conditions") or ()
    return {item["type"]: item for item in found}
