"""The store: apply, delete, generation, and what it does with damage."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.kinds import ObjectKey
from secnet.agent.cluster.statefiles import StateFiles, Stored
from secnet.agent.cluster.store import FileStore
from secnet.agent.cluster.watch import StoreWatch
from secnet.contract import InvalidConfig, ObjectNotFound, Unavailable

from .helpers import NETWORKS, STATUS, Recorder, nad, pod, pool, until

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


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"object": {}}', b"\xff\xfe\0", b"[" * 100_000])
def test_a_damaged_file_harms_its_own_object_only(store: FileStore, damage: bytes) -> None:
    store.apply(pool("good"))
    store.apply(pool("bad"))
    path = _path(store, "IPPool", "bad")
    path.write_bytes(damage)
    assert [obj["metadata"]["name"] for obj in store.list("IPPool")] == ["good"]
    with pytest.raises(Unavailable, match="damaged") as caught:
        store.get("IPPool", "bad")
    assert caught.value.subject == str(path)
    with pytest.raises(Unavailable, match="damaged"):
        store.apply(pool("bad"))
    (problem,) = store.problems()
    assert problem.source == str(path)
    assert "remove the file" in problem.hint
    path.unlink()
    assert store.apply(pool("bad"))[0] == "created"
    assert store.problems() == ()


def test_damage_is_not_a_deletion_to_a_watch(store: FileStore) -> None:
    store.apply(pod("a"))
    store.apply(pod("b"))
    recorder = Recorder()
    watch = store.watch(("Pod",), recorder)
    assert watch.synced.wait(20)
    _path(store, "Pod", "a", "default").write_bytes(b"{")
    (store.directory / "log").write_bytes(b"damaged")
    store.apply(pod("b", "net1"))
    recorder.wait_for("MODIFIED", "b")
    store.delete("Pod", "b")
    recorder.wait_for("DELETED", "b")
    assert ("DELETED", "a") not in recorder.seen
    watch.close()


@pytest.mark.parametrize("damage", [None, b"", b"nonsense\n", b"#base x 1\n", b"#base 1 x\nnonsense\n" * 200])
def test_a_lost_log_gives_no_version_twice(store: FileStore, damage: bytes | None) -> None:
    store.apply(pod("a"))
    last = _version(store.apply(pod("b"))[1])
    log = store.directory / "log"
    log.unlink() if damage is None else log.write_bytes(damage)
    assert _version(store.apply(pod("c"))[1]) > last


@pytest.mark.parametrize("torn", [b"3", b"3 Pod default", b"3 Pod default c"])
def test_a_torn_line_of_the_log_uses_its_version_up(store: FileStore, torn: bytes) -> None:
    store.apply(pod("a"))
    store.apply(pod("b"))
    store.delete("Pod", "b")
    with open(store.directory / "log", "ab") as log:
        log.write(torn.replace(b"3", b"4"))
    assert _version(store.apply(pod("c"))[1]) == 5


def test_a_watch_goes_on_when_the_log_is_begun_anew(store: FileStore, tmp_path: Path) -> None:
    store.apply(pod("early"))
    store.apply(pod("gone"))
    recorder = Recorder()
    watch = store.watch(("Pod",), recorder)
    assert watch.synced.wait(20)
    files = _files(store)
    with files.exclusive():
        # Behind the watch's back, as many changes of other processes between two of its looks would do.
        files.path(ObjectKey("Pod", "default", "gone")).unlink()
        files.start_log(1000)
    recorder.wait_for("DELETED", "gone")
    assert _version(store.apply(pod("late"))[1]) == 1001
    recorder.wait_for("ADDED", "late")
    assert recorder.seen.count(("ADDED", "early")) == 1
    watch.close()


def test_the_log_stays_small(store: FileStore) -> None:
    files = _files(store)
    key = ObjectKey("Pod", "default", "x" * 250)
    store.apply(pod("a"))
    with files.exclusive():
        for revision in range(2, 3000):
            files.append(revision, key)
    assert (store.directory / "log").stat().st_size < 300_000
    assert _version(store.apply(pod("b"))[1]) == 3000


class _Counting(StateFiles):
    """Counts how often somebody looked."""

    looks = 0

    def shared(self) -> AbstractContextManager[None]:
        self.looks += 1
        return super().shared()


def test_a_lost_state_directory_is_no_order_to_delete(store: FileStore) -> None:
    store.apply(pod("a"))
    recorder, files = Recorder(), _Counting(store.directory)
    watch = StoreWatch(files, ("Pod",), recorder, lambda watch: None)
    watch.start()
    assert watch.synced.wait(20)
    away = store.directory.with_suffix(".away")
    store.directory.rename(away)
    looks = files.looks
    until(lambda: files.looks > looks, "a look at the missing directory")
    away.rename(store.directory)
    store.apply(pod("b"))
    recorder.wait_for("ADDED", "b")
    watch.close()
    assert recorder.seen == [("ADDED", "a"), ("ADDED", "b")]


def test_another_store_in_its_place_is_compared_as_a_whole(store: FileStore) -> None:
    store.apply(pod("a"))
    recorder = Recorder()
    watch = store.watch(("Pod",), recorder)
    assert watch.synced.wait(20)
    store.directory.rename(store.directory.with_suffix(".away"))
    store.apply(pod("b"))  # the new log is as long as the old one
    recorder.wait_for("ADDED", "b")
    recorder.wait_for("DELETED", "a")
    watch.close()


def test_a_watch_does_not_look_in_the_middle_of_a_write(store: FileStore) -> None:
    key = ObjectKey("Pod", "default", "b")
    store.apply(pod("a"))
    recorder, files = Recorder(), _Counting(store.directory)
    watch = StoreWatch(files, ("Pod",), recorder, lambda watch: None)
    watch.start()
    assert watch.synced.wait(20)
    half = StateFiles(store.directory)
    written = Stored(object=store.get("Pod", "a"))
    written.object["metadata"] |= {"name": "b", "uid": "another", "resourceVersion": "2"}
    with half.exclusive() as transaction:
        half.append(2, key)
        looks = files.looks
        until(lambda: files.looks > looks, "the watch at the door")
        transaction.remember(key, written)
    recorder.wait_for("ADDED", "b")
    watch.close()


def test_an_unreadable_store_is_said_to_who_would_wait(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = FileStore(tmp_path / "state")
    with pytest.raises(InvalidConfig, match="name a directory"):
        store.watch(("Pod",), Recorder())
    with pytest.raises(InvalidConfig, match="name a directory"):
        store.apply(pod("a"))


def test_a_watch_waits_for_a_store_that_is_not_there_yet(store: FileStore) -> None:
    recorder = Recorder()
    watch = store.watch(("Pod",), recorder)
    assert watch.synced.wait(20)
    FileStore(store.directory).apply(pod("a"))
    recorder.wait_for("ADDED", "a")
    watch.close()


def test_a_leftover_of_a_killed_writer_is_no_object(store: FileStore) -> None:
    store.apply(pod("a"))
    (store.directory / "pending").write_text('{"half": ')
    assert store.problems() == ()
    store.apply(pod("b"))
    assert len(store.list("Pod")) == 2
    assert not (store.directory / "pending").exists()


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
