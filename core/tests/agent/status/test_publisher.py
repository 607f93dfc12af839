"""What is told of a Pod, in the store of manifests: whose entries may be taken back, and what is done about a rival."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.model.pod import pod_ref
from secnet.agent.model.report import PENDING, NetworkReport, PodReport, SyncResult, network_report
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.reports import Reports
from secnet.agent.status._condition import CONDITION_TYPE
from secnet.agent.status._conflict_backoff import StatusConflictBackoff
from secnet.agent.status._network_status import STATUS_ANNOTATION
from secnet.agent.status.publisher import Publisher
from secnet.contract import ErrorInfo, InvalidConfig, PodRef, SecnetError, Unavailable
from secnet_testing.contract_objects import record

KEY = ("default", "web")
REPORTED = [{"name": "default/blue", "interface": "eth1", "default": False, "secnet.io/owner": "secnet"}]
NO_SANDBOX = ErrorInfo(reason="NotReady", message="no living sandbox", retryable=True)


class World:
    """A Pod, and one publisher. what: `Publisher`'s further arguments."""

    def __init__(self, folder: Path, **what: Any) -> None:
        self.cluster: ManifestCluster = what.pop("cluster", None) or ManifestCluster(folder / "state")
        self.store = self.cluster.store
        self.now = 0.0
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {}}
        self.store.apply(pod)
        self.pods = PodTable("node-1")
        arguments: dict[str, Any] = {"is_here": lambda pod: False, "reports": Reports(folder / "run")} | what
        self.publisher = Publisher(
            cluster=self.cluster,
            pods=self.pods,
            owner_tag="secnet",
            conflict_backoff=StatusConflictBackoff(lambda: self.now),
            clock=lambda: self.now,
            **arguments,
        )

    @property
    def pod(self) -> dict[str, Any]:
        return self.store.get("Pod", "web", "default")

    @property
    def ref(self) -> PodRef:
        return pod_ref(self.pod)

    def edit(self, status: Any) -> None:
        """As somebody else writes it."""
        self.store.patch_annotations("Pod", "web", "default", {STATUS_ANNOTATION: json.dumps(status)})

    def conclude(self) -> None:
        """Another agent told that all is attached."""
        self.edit(REPORTED)
        condition = {"type": CONDITION_TYPE, "status": "True", "reason": "Attached"}
        self.cluster.patch_pod("web", "default", self.ref.uid, condition=condition)

    def publish(self, result: SyncResult, **options: bool) -> list[str]:
        """Reasons of what could not be told."""
        self.settle()
        return [error.reason for error in self.publisher.publish(KEY, self.pod, result, 0, **options)]

    def settle(self) -> None:
        """The watch tells of the Pod as it is now."""
        self.pods.update(self.pod)

    def publish_as_seen(self, result: SyncResult, revision: int = 0) -> None:
        """While the watch has nothing new."""
        assert self.publisher.publish(KEY, self.pods.get(KEY), result, revision) == ()

    def attached(self, *, late: bool = False, now: bool = False) -> SyncResult:
        """now: in this round, and not before it."""
        made = record(pod=self.ref, late=late)
        report = PodReport(pod=self.ref, container_id="c1", networks=(network_report(made),))
        return SyncResult(report=report, records=(made,), made=(made,) if now else ())

    def waiting(self) -> SyncResult:
        """Without a sandbox."""
        network = NetworkReport(network="default/blue", interface="eth1", phase=PENDING, error=NO_SANDBOX)
        return SyncResult(report=PodReport(pod=self.ref, error=NO_SANDBOX, networks=(network,)))

    @property
    def status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self.pod["metadata"].get("annotations", {}).get(STATUS_ANNOTATION, "[]")
        )
        return found

    @property
    def condition(self) -> str:
        return str(self.pod["status"]["conditions"][0]["status"])


def test_a_pod_that_started_without_a_network_has_an_event_of_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the store of manifests keeps no Events."""
    world, events = World(tmp_path), list[tuple[bool, str, str]]()
    monkeypatch.setattr(
        world.cluster,
        "record_event",
        lambda pod, *, warning, reason, message: events.append((warning, reason, message)),
    )
    world.publish(world.attached(now=True))
    assert [reason for _, reason, _ in events] == ["NetworksAttached"]
    events.clear()
    world.publish(world.attached(late=True, now=True))
    world.publish(world.attached(late=True))
    assert [(warning, reason) for warning, reason, _ in events] == [
        (False, "NetworksAttached"),
        (True, "StartedWithoutNetworks"),
    ]
    assert events[-1][2].startswith("eth1: attached after the Pod's sandbox had started")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("result", [World.waiting, lambda world: SyncResult(report=None)])
def test_of_a_pod_that_never_was_here_nothing_is_taken_back(
    world: World, result: Callable[[World], SyncResult]
) -> None:
    world.conclude()
    world.publish(result(world))
    assert (world.status, world.condition) == (REPORTED, "True")


def test_of_a_pod_that_surely_is_here_it_is(tmp_path: Path) -> None:
    """As after a boot: the records are gone, and what was told before is not true any more."""
    world = World(tmp_path, is_here=lambda pod: True)
    world.conclude()
    world.publish(world.waiting())
    assert (world.status, world.condition) == ([], "False")


def test_of_a_pod_with_a_record_of_an_earlier_agent_it_is(tmp_path: Path) -> None:
    recorded: list[PodRef] = []
    first = World(tmp_path)
    recorded.append(first.ref)
    first.conclude()
    second = World(tmp_path, recorded=recorded)
    second.publish(second.waiting())
    assert (second.status, second.condition) == ([], "False")


def test_of_a_pod_that_had_a_sandbox_here_it_is(world: World) -> None:
    world.publish(world.attached())
    assert (len(world.status), world.condition) == (2, "True")
    world.publish(world.waiting())
    assert world.status == []


def test_why_a_sandbox_failed_is_reported_over_what_stands_there(world: World) -> None:
    world.conclude()
    failed = SyncResult(
        report=PodReport(pod=world.ref, error=ErrorInfo(reason="Conflict", message="x", retryable=False))
    )
    world.publish(failed, here=True)
    assert (world.status, world.condition) == ([], "False")


def test_a_pod_recreated_is_not_the_one_that_was_here(world: World) -> None:
    world.publish(world.attached())
    world.store.delete("Pod", "web", "default")
    world.store.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}})
    world.conclude()
    world.publish(world.waiting())
    assert (world.status, world.condition) == (REPORTED, "True")


def rival(world: World) -> list[str]:
    """Somebody takes our entries away, and we hear of it."""
    world.edit([{"name": "other", "default": True}])
    return world.publish(world.attached())


def test_a_writer_that_changes_our_entries_again_and_again_is_corrected_ever_more_slowly(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.publish(world.attached())
    assert [rival(world) for _ in range(5)] == [[]] * 5, "five times at once"
    corrected = []
    for second in range(600):
        world.now = float(second)
        if rival(world) == []:
            corrected.append(second)
    assert corrected == [1, 3, 7, 15, 31, 63, 127, 255, 511]
    assert len([line for line in caplog.messages if "keeps changing" in line]) == 1
    world.now = 511.0 + 300
    assert world.publish(world.attached()) == [], "the last one is put right as well"
    assert [entry["name"] for entry in world.status] == ["other", "default/blue"]


def test_news_of_ours_is_reported_at_once_and_peace_forgets_the_quarrel(world: World) -> None:
    world.publish(world.attached())
    while rival(world) == []:
        pass
    news = SyncResult(report=PodReport(pod=world.ref, container_id="c1"), records=(record("eth2", pod=world.ref),))
    assert world.publish(news) == []
    while rival(world) == []:
        pass
    world.now = 601.0
    assert [rival(world) for _ in range(5)] == [[]] * 5


class Refused(ManifestCluster):
    """Refuses annotations, as an admission rule may; or answers nothing. Notes what each write had."""

    def __init__(self, folder: Path, error: SecnetError) -> None:
        super().__init__(folder)
        self.error = error
        self.writes: list[set[str]] = []

    def patch_pod(self, name: str, namespace: str, uid: str, **what: Any) -> None:
        self.writes.append({field for field in ("annotations", "condition") if what[field]})
        if what["annotations"]:
            raise self.error
        super().patch_pod(name, namespace, uid, **what)


def refusing(folder: Path, error: SecnetError) -> tuple[World, Refused]:
    cluster = Refused(folder / "state", error)
    return World(folder, cluster=cluster), cluster


def test_an_annotation_that_is_refused_keeps_no_one_from_the_condition(tmp_path: Path) -> None:
    world, cluster = refusing(tmp_path, InvalidConfig("too large"))
    assert world.publish(world.attached()) == ["InvalidConfig"]
    assert cluster.writes == [{"annotations", "condition"}, {"condition"}]
    assert (world.status, world.condition) == ([], "True")


def test_while_nothing_answers_one_write_is_tried(tmp_path: Path) -> None:
    world, cluster = refusing(tmp_path, Unavailable("no answer"))
    assert world.publish(world.attached()) == ["Unavailable"]
    assert cluster.writes == [{"annotations", "condition"}]


def test_the_condition_is_written_while_another_writer_keeps_changing_the_entries(world: World) -> None:
    world.publish(world.attached())
    while rival(world) == []:
        pass
    world.cluster.patch_pod("web", "default", world.ref.uid, condition={"type": CONDITION_TYPE, "status": "False"})
    assert rival(world) == ["Busy"]
    assert (len(world.status), world.condition) == (1, "True")


class Counted(Reports):
    """Counts what is written."""

    written = 0

    def write(self, report: PodReport) -> None:
        self.written += 1
        super().write(report)


@pytest.fixture
def counted(tmp_path: Path) -> World:
    return World(tmp_path, reports=Counted(tmp_path / "run"))


def _written(world: World) -> int:
    assert isinstance(world.publisher._reports, Counted)
    return world.publisher._reports.written


def _settle(world: World, result: SyncResult) -> None:
    """Told, and seen again with what was told."""
    world.publish(result)
    world.settle()
    world.publish_as_seen(result)


def test_what_was_published_already_is_not_published_again(counted: World) -> None:
    result = counted.attached()
    _settle(counted, result)
    before = _written(counted)
    counted.publish_as_seen(counted.attached())
    assert _written(counted) == before


@pytest.mark.parametrize("change", ["report", "records", "pod", "file", "waiting"])
def test_whatever_differs_is_reported(counted: World, tmp_path: Path, change: str) -> None:
    result = counted.attached()
    _settle(counted, result)
    before = _written(counted)
    if change == "report":
        assert result.report is not None
        result = dataclasses.replace(result, report=dataclasses.replace(result.report, container_id="c2"))
    elif change == "records":
        result = dataclasses.replace(result, records=(*result.records, record("eth2", pod=counted.ref)))
    elif change == "pod":
        counted.settle()
    elif change == "file":
        shutil.rmtree(tmp_path / "run" / "reports")
    else:
        result = counted.waiting()
    counted.publish_as_seen(result)
    assert _written(counted) == before + 1


def test_now_and_then_it_is_compared_with_what_stands_in_the_pod(counted: World) -> None:
    result = counted.attached()
    _settle(counted, result)
    before = _written(counted)
    counted.now += 901
    counted.publish_as_seen(result)
    assert _written(counted) == before + 1
    counted.publish_as_seen(result)
    assert _written(counted) == before + 1


def test_what_was_removed_from_the_pod_is_put_back(counted: World) -> None:
    result = counted.attached()
    _settle(counted, result)
    counted.edit([])
    counted.settle()
    counted.publish_as_seen(result)
    assert json.loads(counted.pod["metadata"]["annotations"][STATUS_ANNOTATION])[-1]["interface"] == "eth1"


def test_who_waits_for_a_newer_look_at_a_failure_gets_it(counted: World) -> None:
    made = record(pod=counted.ref)
    error = ErrorInfo(reason="Degraded", message="down", retryable=False)
    report = PodReport(pod=counted.ref, container_id="c1", networks=(network_report(made, error),))
    result = SyncResult(report=report, records=(made,))
    _settle(counted, result)
    before = _written(counted)
    counted.publish_as_seen(result, revision=7)
    assert _written(counted) == before + 1
    counted.publish_as_seen(result, revision=7)
    assert _written(counted) == before + 1


def test_a_pod_that_could_not_be_found_is_reported_the_next_time(counted: World) -> None:
    result = counted.attached()
    pod = counted.pod
    counted.settle()
    counted.store.delete("Pod", "web", "default")
    assert counted.publisher.publish(KEY, pod, result, 0) == ()
    before = _written(counted)
    counted.publish_as_seen(result)
    assert _written(counted) == before + 1
