"""What was seen of one kind, and the events that lead from it to what is there now."""

from __future__ import annotations

from typing import Any

from secnet.agent.cluster.kube._reflector import ObjectCache


def obj(name: str, uid: str = "u1", version: str = "1") -> dict[str, Any]:
    return {"metadata": {"namespace": "a", "name": name, "uid": uid, "resourceVersion": version}}


def events_of(events: Any) -> list[tuple[str, str, str]]:
    return [
        (event.type, event.object["metadata"]["uid"], event.object["metadata"]["resourceVersion"]) for event in events
    ]


def test_each_version_is_delivered_once() -> None:
    cache = ObjectCache()
    assert events_of(cache.changed(obj("x"))) == [("ADDED", "u1", "1")]
    assert events_of(cache.changed(obj("x"))) == []
    assert events_of(cache.changed(obj("x", version="2"))) == [("MODIFIED", "u1", "2")]
    assert events_of(cache.deleted(obj("x", version="3"))) == [("DELETED", "u1", "3")]
    assert events_of(cache.deleted(obj("x", version="3"))) == []


def test_another_object_of_the_same_name_is_one_deletion_and_one_addition() -> None:
    cache = ObjectCache()
    list(cache.changed(obj("x")))
    assert events_of(cache.changed(obj("x", uid="u2", version="5"))) == [("DELETED", "u1", "5"), ("ADDED", "u2", "5")]
    assert events_of(cache.deleted(obj("x", uid="u1", version="6"))) == [], "its deletion was delivered"


def test_a_new_list_deletes_what_is_not_in_it() -> None:
    cache = ObjectCache()
    list(cache.relisted([obj("x"), obj("y", uid="u2")], "1"))
    assert events_of(cache.relisted([obj("y", uid="u2"), obj("z", uid="u3", version="8")], "9")) == [
        ("DELETED", "u1", "9"),
        ("ADDED", "u3", "8"),
    ]


def test_whoever_reads_gets_a_copy() -> None:
    cache = ObjectCache()
    list(cache.changed(obj("x")))
    found = cache.get("x", "a")
    assert found is not None
    found["metadata"]["uid"] = "changed"
    assert cache.get("x", "a") == obj("x")
    assert cache.get("x", "b") is None
