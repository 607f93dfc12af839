"""What every implementation must do about annotations, conditions and Events of Pods; see `rules`."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.contract import ObjectNotFound, StoreConflict

from .helpers import NETWORKS, STATUS, Recorder, pod
from .rules import World

_READY = "secnet.io/SecondaryNetworksReady"
_OTHER_UID = "00000000-0000-0000-0000-000000000000"


def _condition(status: str, reason: str = "Attached", message: str = "") -> dict[str, Any]:
    return {"type": _READY, "status": status, "reason": reason} | ({"message": message} if message else {})


class PodRules:
    """Annotations, conditions and Events. The subclass provides the fixture `world`."""

    def test_annotations_are_set_and_removed_one_by_one(self, world: World) -> None:
        uid = world.create(pod("a", "net1"))["metadata"]["uid"]
        world.cluster.patch_pod("a", "default", uid, annotations={STATUS: "[]", "x": "1"})
        world.second.patch_pod("a", "default", uid, annotations={"x": None, "y": "2"})
        assert _annotations(world) == {NETWORKS: "net1", STATUS: "[]", "y": "2"}

    def test_an_equal_annotation_makes_no_new_version(self, world: World) -> None:
        uid, versions = world.create(pod("a", "net1"))["metadata"]["uid"], []
        for wanted in ({STATUS: "[]"}, {STATUS: "[]", "absent": None}):
            world.cluster.patch_pod("a", "default", uid, annotations=wanted)
            versions.append(world.second.get("Pod", "a", "default")["metadata"]["resourceVersion"])
        assert versions[0] == versions[1]

    def test_a_stale_annotation_is_a_conflict(self, world: World) -> None:
        meta = world.create(pod("a", "net1"))["metadata"]
        uid, version = meta["uid"], meta["resourceVersion"]
        world.second.patch_pod("a", "default", uid, annotations={"x": "1"}, resource_version=version)
        with pytest.raises(StoreConflict):
            world.cluster.patch_pod("a", "default", uid, annotations={"x": "2"}, resource_version=version)
        with pytest.raises(StoreConflict):
            world.cluster.patch_pod("a", "default", _OTHER_UID, annotations={"x": "2"})
        assert _annotations(world)["x"] == "1"

    def test_annotations_of_nothing(self, world: World) -> None:
        with pytest.raises(ObjectNotFound):
            world.cluster.patch_pod("missing", "default", _OTHER_UID, annotations={"x": "1"})

    def test_annotations_and_a_condition_at_once(self, world: World) -> None:
        live = world.create(pod("a", "net1"))
        version, name = live["metadata"]["resourceVersion"], ("a", "default", live["metadata"]["uid"])
        both = {"annotations": {STATUS: "[]"}, "condition": _condition("True")}
        world.cluster.patch_pod(*name, **both, resource_version=version)
        assert (_annotations(world)[STATUS], _conditions(world)[_READY]["status"]) == ("[]", "True")
        with pytest.raises(StoreConflict):
            world.second.patch_pod(
                *name, annotations={STATUS: ""}, condition=_condition("False"), resource_version=version
            )
        assert (_annotations(world)[STATUS], _conditions(world)[_READY]["status"]) == ("[]", "True")

    def test_a_condition_is_set_beside_the_others(self, world: World) -> None:
        live = world.create(pod("a"))
        uid, name = live["metadata"]["uid"], ("a", "default")
        world.time = 1_700_000_000.0
        world.cluster.patch_pod(*name, uid, condition=_condition("False", "Attaching"))
        world.second.patch_pod(*name, uid, condition=_condition("True") | {"type": "example.com/Other"})
        first = _conditions(world)
        assert first[_READY] == _condition("False", "Attaching") | {"lastTransitionTime": "2023-11-14T22:13:20Z"}
        world.time += 3600
        world.cluster.patch_pod(*name, uid, condition=_condition("False", "Unavailable", "no API"))
        assert _conditions(world)[_READY]["reason"] == "Unavailable"
        assert _conditions(world)[_READY]["lastTransitionTime"] == "2023-11-14T22:13:20Z"
        world.cluster.patch_pod(*name, uid, condition=_condition("True"))
        last = _conditions(world)
        assert last[_READY] == _condition("True") | {"lastTransitionTime": "2023-11-14T23:13:20Z"}
        assert last["example.com/Other"] == first["example.com/Other"]

    def test_an_empty_text_is_not_kept_and_takes_away_what_was_there(self, world: World) -> None:
        live = world.create(pod("a"))
        uid, name = live["metadata"]["uid"], ("a", "default")
        versions = []
        for message in ("no API", "", ""):
            world.cluster.patch_pod(*name, uid, condition=_condition("False") | {"message": message})
            assert _conditions(world)[_READY].get("message") == (message or None)
            versions.append(world.second.get("Pod", *name)["metadata"]["resourceVersion"])
        assert versions[1] == versions[2]

    @pytest.mark.parametrize("watching", [False, True])
    def test_an_equal_condition_makes_no_new_version(self, world: World, watching: bool) -> None:
        live = world.create(pod("a"))
        recorder = Recorder()
        if watching:
            assert world.cluster.watch(("Pod",), recorder).synced.wait(20)
        for _ in range(3):
            world.time += 60
            world.cluster.patch_pod("a", "default", live["metadata"]["uid"], condition=_condition("True"))
            version = world.second.get("Pod", "a", "default")["metadata"]["resourceVersion"]
            assert int(version) > int(live["metadata"]["resourceVersion"])
            live["metadata"].setdefault("first", version)
            assert version == live["metadata"]["first"]
        world.time += 60
        if watching:
            recorder.wait_for("MODIFIED", "a")
        world.cluster.patch_pod("a", "default", live["metadata"]["uid"], condition=_condition("False"))
        assert _conditions(world)[_READY]["status"] == "False"

    def test_a_condition_of_a_successor_or_of_nothing(self, world: World) -> None:
        world.create(pod("a"))
        with pytest.raises(StoreConflict):
            world.cluster.patch_pod("a", "default", _OTHER_UID, condition=_condition("True"))
        with pytest.raises(ObjectNotFound):
            world.cluster.patch_pod("missing", "default", _OTHER_UID, condition=_condition("True"))
        assert _READY not in _conditions(world)

    def test_an_event_never_fails(self, world: World) -> None:
        live = world.create(pod("a"))
        for odd in (live, {"metadata": {"name": "missing", "namespace": "nowhere"}}, {}):
            world.cluster.record_event(odd, warning=True, reason="InvalidConfig", message="x" * 5000)
        world.cluster.close()
        world.cluster.record_event(live, warning=False, reason="Attached", message="after the end")


def _conditions(world: World) -> dict[str, dict[str, Any]]:
    """Of the Pod `a`, by type. An API server adds times that are null."""
    found = world.second.get("Pod", "a", "default").get("status", {}).get("conditions") or ()
    return {item["type"]: {key: value for key, value in item.items() if value is not None} for item in found}


def _annotations(world: World) -> dict[str, str]:
    """Of the Pod `a`."""
    found: dict[str, str] = world.second.get("Pod", "a", "default")["metadata"]["annotations"]
    return found
