"""What the agent says about calls into plugins that do not return, and what becomes of the Pods that wait for them.

Controller and publisher are stand-ins that keep what they get: tests/e2e/test_hung.py has the real ones.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.pod import PodKey
from secnet.agent.model.record import Phase
from secnet.agent.model.report import NetworkReport, PodReport, SyncResult
from secnet.agent.plugins.calls import StuckCall, Subject
from secnet.agent.pods.stuck_calls import StuckCalls
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import AttachmentId, PodRef
from secnet_testing.contract_objects import POD, network, record

KEY = ("default", "web")


def stuck(method: str = "attach", *, number: int = 1, pod: PodRef | None = POD, about: bool = True) -> StuckCall:
    key = AttachmentId(container_id="c1", ifname="eth1")
    return StuckCall(
        number=number,
        kind="network_type",
        name="toy",
        distribution="toy-dist",
        label="driver toy (toy-dist 1.2)",
        method=method,
        allowed=30.0,
        last_step="veth.create",
        subject=Subject(key=key, pod=pod, network=network()) if about else None,
    )


class Scene:
    """In the place of what is reported. now, away: what PluginCalls says."""

    def __init__(self, folder: Path) -> None:
        self.now: list[StuckCall] = []
        self.away: dict[str, str] = {}
        self.before: PodReport | None = None
        self.published: list[tuple[Any, PodReport]] = []
        self.done: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.pods, self.journal = PodTable("node-1"), Journal(folder)
        self.pods.update({"metadata": {"namespace": "default", "name": "web", "uid": POD.uid}})
        here: Any = self
        self.calls = StuckCalls(
            calls=here,
            controller=here,
            pods=self.pods,
            journal=self.journal,
            publisher=here,
            on_node=lambda reason, message: self.events.append((reason, message)),
        )

    def stuck(self) -> list[StuckCall]:
        return self.now

    def off(self) -> dict[str, str]:
        return self.away

    @property
    def left_behind(self) -> Scene:
        return self

    def begin(self, key: PodKey, call: StuckCall) -> None:
        assert call in self.now
        self.done.append(f"leave {'/'.join(key)}")

    def end(self, key: PodKey) -> None:
        self.done.append(f"take up {'/'.join(key)}")

    def last(self, key: PodKey) -> PodReport | None:
        return self.before

    def publish(self, key: PodKey, pod: Any, result: SyncResult, revision: int) -> tuple[()]:
        assert result.report is not None
        self.published.append((pod, result.report))
        return ()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_pod_whose_attach_hangs_is_shown_as_stuck(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.journal.write(record(phase=Phase.ATTACHING))
    scene.now = [stuck()]
    with caplog.at_level(logging.WARNING):
        scene.calls.note()
        scene.calls.note()
    (line,) = caplog.messages
    for word in ("driver toy (toy-dist 1.2)", "attach", "veth.create"):
        assert word in line
    ((pod, report),) = scene.published
    (shown,) = report.networks
    assert pod is not None
    assert (shown.phase, shown.interface, shown.error and shown.error.reason) == ("Stuck", "eth1", "PluginStuck")
    assert not report.settled
    assert scene.done == ["leave default/web"]
    assert (scene.events, scene.calls.problems()) == ([], ())


def test_it_is_reconciled_when_the_call_returns(scene: Scene) -> None:
    scene.journal.write(record(phase=Phase.ATTACHING))
    scene.now = [stuck()]
    scene.calls.note()
    scene.now = []
    scene.calls.note()
    scene.calls.note()
    assert scene.done == ["leave default/web", "take up default/web"]


def test_before_there_is_a_record_it_is_shown_by_what_was_asked_for(scene: Scene) -> None:
    scene.now = [stuck("plan")]
    scene.calls.note()
    ((_, report),) = scene.published
    (shown,) = report.networks
    assert (shown.phase, shown.network, shown.interface) == ("Stuck", "default/blue", "eth1")


def test_an_interface_that_works_stays_so_while_its_check_hangs(scene: Scene) -> None:
    scene.journal.write(record())
    scene.now = [stuck("check")]
    scene.calls.note()
    ((_, report),) = scene.published
    assert [each.phase for each in report.networks] == ["Degraded"]


def test_the_other_networks_of_the_pod_stay_in_its_report(scene: Scene) -> None:
    other = NetworkReport(network="default/red", phase="Attached", interface="eth2")
    scene.before = PodReport(
        pod=POD, networks=(other, NetworkReport(network="default/blue", phase="Pending", interface="eth1"))
    )
    scene.journal.write(record(phase=Phase.ATTACHING))
    scene.now = [stuck()]
    scene.calls.note()
    ((_, report),) = scene.published
    assert [(each.interface, each.phase) for each in report.networks] == [("eth2", "Attached"), ("eth1", "Stuck")]


def test_a_later_pod_of_the_name_is_not_blamed(scene: Scene) -> None:
    scene.pods.update({"metadata": {"namespace": "default", "name": "web", "uid": "another"}})
    scene.before = PodReport(pod=PodRef(namespace="default", name="web", uid="another"))
    scene.journal.write(record(phase=Phase.DETACHING))
    scene.now = [stuck()]
    scene.calls.note()
    ((pod, report),) = scene.published
    assert (pod, report.pod.uid) == (None, POD.uid)


@pytest.mark.parametrize(
    "call",
    [stuck("reconcile_node", about=False), stuck(pod=None), stuck("release")],
    ids=["node", "no Pod", "garbage of an earlier sandbox"],
)
def test_what_is_about_no_pod_is_a_problem_of_the_node(scene: Scene, call: StuckCall) -> None:
    scene.now = [call]
    scene.calls.note()
    scene.calls.note()
    (problem,) = scene.calls.problems()
    assert str(problem).startswith("network type toy: driver toy (toy-dist 1.2) has not returned from")
    assert scene.events == [("PluginStuck", str(call))]
    assert (scene.done, scene.published) == ([], [])
    scene.now = []
    scene.calls.note()
    assert scene.calls.problems() == ()


def test_a_type_that_is_off_is_a_problem(scene: Scene) -> None:
    scene.away = {"network type toy": "driver toy is off"}
    scene.calls.note()
    (problem,) = scene.calls.problems()
    assert (problem.source, problem.message) == ("network type toy", "driver toy is off")
