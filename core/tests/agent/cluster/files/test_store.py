"""The store: apply, delete, generation and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files.state_files import StateFiles
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import ObjectKey
from secnet.contract import InvalidConfig, ObjectNotFound

from ..helpers import NETWORKS, STATUS, Recorder, nad, pod, pool, until

_NOON = 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "state", clock=lambda: _NOON)


def _files(store: FileStore) -> StateFiles:
    return StateFiles(store.directory)


def _path(store: FileStore, kind: str, name: str, namespace: str = "") -> Path:
    return _files(store).path(ObjectKey(kind, namespace, name))


def _version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def test_reading_makes_no_directory(store: FileStore) -> None:
    assert store.list("Pod") == []
    assert store.problems() == ()
    with pytest.raises(ObjectNotFound):
        store.get("Pod", "a")
    assert not store.directory.exists()


def test_apply_creates_configures_and_leaves_alone(store: FileStore) -> None:
    verb, first = store.apply(pod("a", "net1"))
    assert verb == "created"
    assert first["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert store.apply(pod("a", "net1")) == ("unchanged", first)
    verb, second = store.apply(pod("a", "net2"))
    assert verb == "configured"
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert _version(second) > _version(first)


def test_one_counter_over_all_objects(store: FileStore) -> None:
    versions = [_version(store.apply(obj)[1]) for obj in (pod("a"), pool("p"), nad("n"), pod("a", "x"))]
    assert versions == [1, 2, 3, 4]


def test_apply_keeps_status_and_what_others_wrote(store: FileStore) -> None:
    store.apply(pod("a", "net1") | {"status": {"phase": "Succeeded"}})
    assert "status" not in store.get("Pod", "a")
    store.patch_annotations("Pod", "a", "", {STATUS: "[]", "theirs": "1"})
    mine = pod("a", "net1")
    mine["metadata"]["annotations"] |= {"mine": "1", STATUS: "stale"}
    mine["metadata"]["labels"] = {"app": "web"}
    store.apply(mine)
    assert store.get("Pod", "a")["metadata"]["annotations"] == {
        NETWORKS: "net1",
        "mine": "1",
        "theirs": "1",
        STATUS: "[]",
    }
    store.apply(pod("a", "net1"))
    live = store.get("Pod", "a")
    assert live["metadata"]["annotations"] == {NETWORKS: "net1", "theirs": "1", STATUS: "[]"}
    assert "labels" not in live["metadata"]


def test_apply_ignores_what_the_store_decides(store: FileStore) -> None:
    exported = pod("a")
    exported["metadata"] |= {"uid": "x", "resourceVersion": "77", "generation": 9, "deletionTimestamp": "never"}
    live = store.apply(exported)[1]
    assert (live["metadata"]["resourceVersion"], live["metadata"]["generation"]) == ("1", 1)
    assert live["metadata"]["uid"] != "x"
    assert "deletionTimestamp" not in live["metadata"]


def test_generation_counts_what_is_asked_for(store: FileStore) -> None:
    def generation() -> int:
        return int(store.get("Pod", "a")["metadata"]["generation"])

    store.apply(pod("a", "net1"))
    store.patch_annotations("Pod", "a", "", {STATUS: "[]"})
    assert generation() == 1
    store.apply(pod("a", "net2"))
    assert generation() == 2
    store.apply(pod("a", "net2") | {"spec": {"nodeName": "other"}})
    assert generation() == 3
    labelled = pod("a", "net2") | {"spec": {"nodeName": "other"}}
    labelled["metadata"]["labels"] = {"app": "web"}
    store.apply(labelled)
    assert generation() == 3
    store.patch_annotations("Pod", "a", "", {NETWORKS: None})
    assert generation() == 4


def test_generation_of_others_ignores_annotations(store: FileStore) -> None:
    store.apply(pool("p"))
    annotated = pool("p")
    annotated["metadata"]["annotations"] = {"a": "b"}
    assert store.apply(annotated)[1]["metadata"]["generation"] == 1
    assert store.apply(pool("p", "10.11.0.0/24"))[1]["metadata"]["generation"] == 2


def test_source_is_remembered_without_a_new_version(store: FileStore) -> None:
    key = ObjectKey("Pod", "default", "a")
    first = store.apply(pod("a"), "one.yaml")[1]
    assert store.sources() == {key: "one.yaml"}
    assert store.apply(pod("a"), "two.yaml") == ("unchanged", first)
    assert store.sources() == {key: "two.yaml"}
    store.apply(pod("a", "net1"))
    store.patch_annotations("Pod", "a", "", {STATUS: "[]"})
    assert store.sources() == {key: "two.yaml"}
    assert store.delete("Pod", "a", source="one.yaml") is not None
    assert store.delete("Pod", "a", source="two.yaml") is None


def test_delete(store: FileStore) -> None:
    store.apply(pod("a"))
    assert store.delete("Pod", "a") is None
    with pytest.raises(ObjectNotFound, match="Pod default/a"):
        store.delete("Pod", "a")


def test_a_pool_in_use_stays_until_its_last_release(store: FileStore) -> None:
    live = store.apply(pool("p"))[1]
    live["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.2"}, {"ipAddress": "10.10.0.3"}]}
    live = store.update_status(live)
    kept = store.delete("IPPool", "p")
    assert kept is not None
    assert kept["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    assert store.delete("IPPool", "p") == kept
    kept["status"]["ipAddresses"].pop()
    kept = store.update_status(kept)
    assert store.get("IPPool", "p") == kept
    kept["status"]["ipAddresses"].pop()
    store.update_status(kept)
    with pytest.raises(ObjectNotFound):
        store.get("IPPool", "p")


def test_a_pool_applied_again_is_wanted_again(store: FileStore) -> None:
    live = store.apply(pool("p"))[1]
    live["status"] = {"ipAddresses": [{"ipAddress": "10.10.0.2"}]}
    store.update_status(live)
    store.delete("IPPool", "p")
    verb, again = store.apply(pool("p"))
    assert verb == "configured"
    assert "deletionTimestamp" not in again["metadata"]
    assert again["metadata"]["uid"] == live["metadata"]["uid"]
    assert again["status"] == live["status"]
    again["status"] = {"ipAddresses": []}
    store.update_status(again)
    assert store.get("IPPool", "p")["status"] == {"ipAddresses": []}


def test_a_status_without_version_is_refused(store: FileStore) -> None:
    live = store.apply(pool("p"))[1]
    del live["metadata"]["resourceVersion"]
    with pytest.raises(InvalidConfig, match="resourceVersion"):
        store.update_status(live)


def test_what_is_no_json_changes_nothing(store: FileStore) -> None:
    live = store.apply(pool("p"))[1]
    with pytest.raises(TypeError):
        store.update_status(live | {"status": {"ipAddresses": [object()]}})
    assert store.get("IPPool", "p") == live
    assert _version(store.apply(pod("a"))[1]) == _version(live) + 1


def test_names_of_any_length_and_text_of_any_kind(store: FileStore) -> None:
    long = "a" * 250 + ".b"
    obj = pod(long)
    obj["metadata"]["annotations"]["text"] = "ä \u2028 \ud800 \0 'quoted'"
    live = store.apply(obj)[1]
    assert store.get("Pod", long) == live
    assert store.list("Pod") == [live]
    assert live["metadata"]["annotations"]["text"] == "ä \u2028 \ud800 \0 'quoted'"


def test_a_handler_may_close_its_watch(store: FileStore) -> None:
    store.apply(pod("a"))
    closed = []

    def handler(event: object) -> None:
        watch.close()
        closed.append(event)

    watch = store.watch((), lambda event: None)
    watch.close()
    ready = Recorder()
    watch = store.watch(("Pod",), ready)
    assert watch.synced.wait(20)
    watch.close()
    watch = store.watch(("IPPool",), handler)
    assert watch.synced.wait(20)
    store.apply(pool("p"))
    until(lambda: closed, "the handler")
    store.close()


def test_files_are_json(store: FileStore) -> None:
    store.apply(pod("a"), "a.yaml")
    content = json.loads(_path(store, "Pod", "a", "default").read_bytes())
    assert content["source"] == "a.yaml"
    assert content["object"] == store.get("Pod", "a")
