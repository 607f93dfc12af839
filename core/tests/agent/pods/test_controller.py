"""What a fault over one Pod must not hold up."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from secnet.agent.model.report import PodReport, SyncResult
from secnet.agent.pods.controller import Controller
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import ObjectNotFound, Unavailable
from secnet_testing.contract_objects import POD, record


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not reached in 10 s"
        time.sleep(0.005)


class Faulty:
    """Work for a Pod that fails once, in a way that no one thought of: no known input makes the real one do so."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.runs: list[str] = []

    def run(self, place: str) -> None:
        self.runs.append(place)
        if place == self.place and self.runs.count(place) == 1:
            raise TypeError("unhashable")

    def sync(self, *args: Any, **kwargs: Any) -> SyncResult:
        self.run("sync")
        return SyncResult(report=None)

    def publish(self, *args: Any) -> tuple[()]:
        self.run("publish")
        return ()

    def forget_absent(self) -> None: ...


def _controller(
    folder: Path,
    faulty: Any,
    *,
    workers: int = 1,
    journal: Journal | None = None,
    pods: PodTable | None = None,
    **options: Any,
) -> Controller:
    """One with a Pod that has a record; its watch has reported everything. journal, pods: to be changed meanwhile."""
    journal, pods = journal or Journal(folder), pods or PodTable("node-1")
    journal.write(record())
    pods.update({"metadata": {"namespace": "default", "name": "web", "uid": "uid-web"}})
    synced = threading.Event()
    synced.set()
    watch = SimpleNamespace(synced=synced, close=lambda: None)
    return Controller(
        cluster=SimpleNamespace(watched=(), watch=lambda kinds, on_event: watch),  # type: ignore[arg-type]
        journal=journal,
        nads=SimpleNamespace(),  # type: ignore[arg-type]
        object_problems=SimpleNamespace(),  # type: ignore[arg-type]
        pods=pods,
        sync=faulty,
        source=SimpleNamespace(),  # type: ignore[arg-type]
        publisher=faulty,
        workers=workers,
        **options,
    )


def test_nothing_is_worked_on_before_it_may_begin(tmp_path: Path) -> None:
    asked, may, faulty = threading.Event(), threading.Event(), Faulty("")

    def may_begin() -> bool:
        asked.set()
        return may.is_set()

    controller = _controller(tmp_path, faulty, may_begin=may_begin)
    starting = threading.Thread(target=controller.start)
    starting.start()
    try:
        assert asked.wait(10)
        assert (controller.started, faulty.runs) == (False, [])
        may.set()
        assert controller.recovered.wait(10)
        assert "sync" in faulty.runs
    finally:
        starting.join()
        assert controller.stop(10)


@pytest.mark.parametrize("place", ["sync", "publish"])
def test_a_fault_holds_up_no_new_pod_and_is_made_up_for(tmp_path: Path, place: str) -> None:
    faulty = Faulty(place)
    controller = _controller(tmp_path, faulty)
    controller.start()
    try:
        assert controller.recovered.wait(10)
        _wait(lambda: faulty.runs[-2:] == ["sync", "publish"] and faulty.runs.count("sync") == 2)
    finally:
        assert controller.stop(10)


class ManyNetworks:
    """The work for one Pod with a hundred networks, while the other one comes up, and for that one."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.come_up: Callable[[], None] = lambda: None

    def sync(self, key: Any, *args: Any, give_way: Callable[[], None], **kwargs: Any) -> SyncResult:
        for number in range(100 if key[1] == "web" else 1):
            if number:
                give_way()
            if number == 50:
                self.come_up()
            self.done.append(key[1])
        return SyncResult(report=None)

    def publish(self, *args: Any) -> tuple[()]:
        return ()

    def forget_absent(self) -> None: ...


def test_a_pod_with_a_hundred_networks_keeps_the_next_one_waiting_for_two_at_most(tmp_path: Path) -> None:
    work = ManyNetworks()
    journal, pods = Journal(tmp_path), PodTable("node-1")
    controller = _controller(tmp_path, work, journal=journal, pods=pods)

    def come_up() -> None:
        work.come_up = lambda: None
        # Of the same network type: workers of another one would not wait at all.
        small = dataclasses.replace(POD, name="small", uid="uid-small")
        journal.write(record(container="c2", pod=small))
        pods.update({"metadata": {"namespace": "default", "name": "small", "uid": "uid-small"}})
        controller.enqueue(("default", "small"))

    work.come_up = come_up
    controller.start()
    try:
        _wait(lambda: len(work.done) >= 101)
        assert work.done[:101].index("small") in (51, 52)
    finally:
        assert controller.stop(10)


class RecordingPublisher:
    """A publisher that keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[PodReport | None] = []

    def publish(self, key: Any, pod: Any, result: SyncResult, revision: int, **rest: Any) -> tuple[()]:
        self.reports.append(result.report)
        return ()


@pytest.mark.parametrize(
    ("listed", "there", "reported"),
    [
        ("u1", "u1", ["u1"]),
        (None, "u1", ["u1"]),
        (None, None, []),
        ("u2", "u2", []),
    ],
    ids=["known", "before the watch tells of it", "its end was dealt with", "a later Pod of the name"],
)
def test_a_failure_is_not_reported_for_a_pod_that_is_gone(
    tmp_path: Path, listed: str | None, there: str | None, reported: list[str]
) -> None:
    """Its report would stay until the next start."""

    def pod(uid: str) -> dict[str, Any]:
        return {"metadata": {"namespace": "default", "name": "web", "uid": uid}}

    def get(kind: str, name: str, namespace: str) -> dict[str, Any]:
        if there is None:
            raise ObjectNotFound("no such Pod")
        return pod(there)

    pods, publisher = PodTable("node-1"), RecordingPublisher()
    if listed is not None:
        pods.update(pod(listed))
    nothing: Any = SimpleNamespace()
    controller = Controller(
        cluster=SimpleNamespace(get=get),  # type: ignore[arg-type]
        journal=Journal(tmp_path),
        nads=nothing,
        object_problems=nothing,
        pods=pods,
        sync=nothing,
        source=nothing,
        publisher=publisher,  # type: ignore[arg-type]
        workers=1,
    )
    controller.report_failure(("default", "web"), pod("u1"), Unavailable("no bridge"))
    assert [report.pod.uid for report in publisher.reports if report is not None] == reported
    assert len(controller.queue) == (1 if listed is None and there is not None else 0)


class Slow:
    """Checks that a test lets end; one that hangs can be had no other way without waiting for its deadline."""

    def __init__(self, hangs: str) -> None:
        self.hangs, self.gate = hangs, threading.Event()
        self.checked: list[str] = []

    def sync(self, key: Any, pod: Any, cancel: Any, *, verify: bool, **rest: Any) -> SyncResult:
        if verify:
            self.checked.append(key[1])
            if key[1] == self.hangs:
                self.gate.wait(10)
        return SyncResult(report=None)

    def publish(self, *args: Any) -> tuple[()]:
        return ()

    def forget_absent(self) -> None: ...


@pytest.fixture
def names() -> list[str]:
    return [f"p{number}" for number in range(6)]


def _with_pods(folder: Path, slow: Slow, names: list[str], workers: int) -> Controller:
    controller = _controller(folder, slow, workers=workers)
    for name in names:
        controller._pods.update({"metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}"}})
    return controller


def test_in_turn_every_pod_is_checked_once(tmp_path: Path, names: list[str]) -> None:
    slow = Slow("")
    controller = _with_pods(tmp_path, slow, names, 3)
    controller.start()
    try:
        _wait(lambda: sorted(slow.checked) == [*names, "web"] and len(controller.queue) == 0)
        slow.checked.clear()
        controller.resync_in_turn()
        _wait(lambda: sorted(slow.checked) == [*names, "web"] and len(controller.queue) == 0)
        assert slow.checked == [*names, "web"]
    finally:
        assert controller.stop(10)


def test_a_check_that_hangs_keeps_the_others_waiting_for_one_round_at_most(tmp_path: Path, names: list[str]) -> None:
    slow = Slow("")
    controller = _with_pods(tmp_path, slow, names, 2)
    controller.start()
    try:
        _wait(lambda: len(slow.checked) == 7 and len(controller.queue) == 0)
        slow.checked.clear()
        slow.hangs = "p1"
        controller.resync_in_turn()
        _wait(lambda: slow.checked == ["p0", "p1"])
        controller.resync_in_turn()
        _wait(lambda: sorted(set(slow.checked)) == [*names, "web"])
    finally:
        slow.gate.set()
        assert controller.stop(10)
