"""Several processes on one store, and processes killed in the middle of a write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from secnet.agent.cluster.files.store import FileStore
from secnet.contract import StoreConflict

from ..helpers import Recorder, pool, until

_INCREMENT = """
import sys, pathlib
from secnet.agent.cluster.files.store import FileStore
from secnet.contract import StoreConflict

store = FileStore(pathlib.Path(sys.argv[1]))
conflicts = 0
for _ in range(int(sys.argv[2])):
    while True:
        obj = store.get("IPPool", "counter")
        used = obj.get("status", {}).get("usage", {}).get("used", 0)
        obj["status"] = {"usage": {"used": used + 1}}
        try:
            store.update_status(obj)
        except StoreConflict:
            conflicts += 1
            continue
        print(used + 1, flush=True)
        break
print("conflicts", conflicts)
"""


def _start(state: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _INCREMENT, str(state), str(count)], stdout=subprocess.PIPE, text=True
    )


def _used(store: FileStore) -> int:
    return int(store.get("IPPool", "counter").get("status", {}).get("usage", {}).get("used", 0))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "state")
    store.apply(pool("counter"))
    return store


def test_no_increment_of_four_processes_is_lost(store: FileStore) -> None:
    processes = [_start(store.directory, 100) for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    values = sorted(int(line) for output in outputs for line in output[:-1])
    assert values == list(range(1, 401))
    assert _used(store) == 400


def test_no_increment_of_threads_is_lost(store: FileStore) -> None:
    def work() -> None:
        for _ in range(50):
            while True:
                obj = store.get("IPPool", "counter")
                obj["status"] = {"usage": {"used": obj.get("status", {}).get("usage", {}).get("used", 0) + 1}}
                try:
                    store.update_status(obj)
                except StoreConflict:
                    continue
                break

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _used(store) == 200


def test_asking_for_problems_does_not_lock_writers_out(store: FileStore) -> None:
    writers = [
        threading.Thread(target=lambda: [store.apply(pool("busy", f"10.{n}.0.0/24")) for n in range(200)], daemon=True)
        for _ in range(2)
    ]
    for thread in writers:
        thread.start()
    while any(thread.is_alive() for thread in writers):
        asking = threading.Thread(target=store.problems, daemon=True)
        asking.start()
        asking.join(20)
        assert not asking.is_alive()
    assert store.problems() == ()


def test_a_killed_process_loses_nothing_and_blocks_no_one(store: FileStore) -> None:
    """Each process is killed after some of its writes are known to be done, at whatever point it then is."""
    recorder = Recorder()
    watch = store.watch(("IPPool",), recorder)
    assert watch.synced.wait(20)
    for round_number in range(30):
        process = _start(store.directory, 1_000_000)
        assert process.stdout is not None
        acknowledged = 0
        for _ in range(3 + round_number):
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout if line.endswith("\n"))])
        process.stdout.close()
        process.wait(timeout=20)
        assert _used(store) in (acknowledged, acknowledged + 1)  # the last may be done and not yet said
        assert store.problems() == ()
    live = store.apply(pool("counter", "10.99.0.0/24"))[1]
    assert live["status"]["usage"]["used"] == _used(store)
    until(lambda: recorder.events[-1].object["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"])
    watch.close()
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in recorder.events]
    assert versions == sorted(set(versions))


# Runs a write and dies, by a file system that ends the process at one of its calls: a kill that really happens in between.
_DIE_AT = """
import os, pathlib, signal, sys
from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.files import state_files

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

store = FileStore(pathlib.Path(sys.argv[1]))
obj = store.get("IPPool", "counter")
obj["status"] = {"usage": {"used": 1}}
setattr(state_files.StateFiles, sys.argv[2], die) if sys.argv[2] != "rename" else setattr(os, "replace", die)
store.update_status(obj)
"""


@pytest.mark.parametrize("point", ["append", "replace", "rename"])
def test_killed_at_each_point_of_a_write(store: FileStore, point: str) -> None:
    recorder = Recorder()
    watch = store.watch(("IPPool",), recorder)
    assert watch.synced.wait(20)
    before = store.get("IPPool", "counter")
    done = subprocess.run([sys.executable, "-c", _DIE_AT, str(store.directory), point], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert store.get("IPPool", "counter") == before
    before["status"] = {"usage": {"used": 7}}
    after = store.update_status(before)
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    recorder.wait_for("MODIFIED", "counter")
    assert [event.object for event in recorder.events][1:] == [after]
    watch.close()
