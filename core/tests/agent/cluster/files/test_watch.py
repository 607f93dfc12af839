"""Watching the store: each change once, in order, and only of the kinds that were asked for."""

from __future__ import annotations

from pathlib import Path

from secnet.agent.cluster.files.store import FileStore

from ..helpers import Recorder, pod, pool, until


def test_what_is_there_is_added_before_it_is_synced_and_changes_follow(tmp_path: Path) -> None:
    store, recorder = FileStore(tmp_path), Recorder()
    store.apply(pod("old"))
    watch = store.watch(("Pod",), recorder)
    until(watch.synced.is_set)
    assert recorder.seen == [("ADDED", "old")]
    store.apply(pool("p"))
    store.apply(pod("new"))
    store.delete("Pod", "old")
    until(lambda: len(recorder.seen) == 3)
    assert recorder.seen == [("ADDED", "old"), ("ADDED", "new"), ("DELETED", "old")]
    watch.close()
    store.apply(pod("later"))
    assert len(recorder.seen) == 3
