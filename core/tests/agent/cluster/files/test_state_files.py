"""The store and its watch, when files are damaged, lost or half-written."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files._watch import StoreWatch
from secnet.agent.cluster.files.state_files import StateFiles, Stored
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import ObjectKey
from secnet.contract import InvalidConfig, Unavailable

from ..helpers import Recorder, pod, pool, until


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "state")


def _files(store: FileStore) -> StateFiles:
    return StateFiles(store.directory)


def _path(store: FileStore, kind: str, name: str, namespace: str = "") -> Path:
    return _files(store).path(ObjectKey(kind, namespace, name))


def _version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


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


def test_a_watch_goes_on_when_the_log_is_restarted(store: FileStore, tmp_path: Path) -> None:
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


def test_an_unreadable_store_is_an_error_for_who_would_wait(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("before", ["new", "of an earlier version"])
def test_no_other_user_can_lock_the_store(store: FileStore, before: str) -> None:
    """Who may open the file may lock it, and then no process reads or writes an object: test_run_dir.py has another user try."""
    if before == "of an earlier version":
        (store.directory / "objects").mkdir(parents=True)
        (store.directory / "lock").touch()
        (store.directory / "lock").chmod(0o644)
        store.directory.chmod(0o755)
        store.list("Pod")
        assert stat.S_IMODE(os.stat(store.directory / "lock").st_mode) == 0o600
    store.apply(pool("good"))
    modes = {name: stat.S_IMODE(os.stat(store.directory / name).st_mode) for name in ("", "lock", "objects")}
    assert modes == {"": 0o755 if before != "new" else 0o700, "lock": 0o600, "objects": 0o700}


def test_an_object_named_like_the_hash_of_another_name_has_a_file_of_its_own(store: FileStore) -> None:
    long = "x" * 253
    store.apply(pod(long))
    store.apply(pod(hashlib.sha256(long.encode()).hexdigest()))
    assert len(store.list("Pod")) == 2


def test_a_file_that_an_earlier_version_named_by_a_hash_is_found(store: FileStore) -> None:
    long, hashed = "x" * 253, hashlib.sha256(("x" * 253).encode()).hexdigest()
    for name in (long, "f" * 64):
        store.apply(pod(name))
    path = _path(store, "Pod", long, "default")
    path.rename(path.with_name(f"{hashed}.json"))
    (path.parent / f"{'e' * 64}.json").write_text("{")
    again = FileStore(store.directory)
    again.apply(pod("other"))
    assert again.get("Pod", long)["metadata"]["name"] == long
    assert again.get("Pod", "f" * 64)["metadata"]["name"] == "f" * 64
    assert len(again.list("Pod")) == 3
    assert (path.parent / f"{'e' * 64}.json").read_text() == "{"
