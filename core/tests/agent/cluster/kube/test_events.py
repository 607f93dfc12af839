"""Events on Pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.kube import RULES, KubeCluster
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import pod, until
from ..kube_world import NODE, TOKEN, agent


class Scene:
    """An API server with the Pod `a`, and a cluster with a clock in hand."""

    def __init__(self, api: KubeApiProcess, folder: Path) -> None:
        self.time = 1_700_000_000.0
        self.api = api
        self.cluster: KubeCluster = agent(self.api, folder, clock=lambda: self.time)
        self.pod = self.api.create(pod("a"))

    def record(self, message: str = "no bridge", reason: str = "NotReady") -> None:
        self.cluster.record_event(self.pod, warning=True, reason=reason, message=message)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.api.items("/api/v1/events")

    def counts(self) -> list[int]:
        return [event["count"] for event in self.events]

    def until_counts(self, *counts: int) -> None:
        until(lambda: sorted(self.counts()) == sorted(counts), f"{counts}, found {self.counts()}")


@pytest.fixture
def scene(kubeapi: KubeApiProcess, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(kubeapi, tmp_path)
    yield scene
    scene.cluster.close()


def test_an_event_as_kubectl_reads_it(scene: Scene) -> None:
    scene.record()
    scene.until_counts(1)
    (event,) = scene.events
    assert event["metadata"]["name"].startswith("a.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "a",
        "namespace": "default",
        "uid": scene.pod["metadata"]["uid"],
        "resourceVersion": scene.pod["metadata"]["resourceVersion"],
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "NotReady", "no bridge")
    assert event["source"] == {"component": "secnet-agent", "host": NODE}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2023-11-14T22:13:20Z"


def test_an_event_of_the_node(scene: Scene) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "uid": NODE}}
    for _ in range(2):
        scene.cluster.record_event(node, warning=True, reason="PluginNotChained", message="no network")
    scene.until_counts(2)
    (event,) = scene.events
    assert event["metadata"]["namespace"] == "default"
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": NODE}


def test_repeats_are_counted_for_ten_minutes(scene: Scene) -> None:
    scene.record()
    scene.until_counts(1)
    scene.time += 599
    scene.record()
    scene.until_counts(2)
    assert scene.events[0]["lastTimestamp"] == "2023-11-14T22:23:19Z"
    scene.record("no uplink")
    scene.record(reason="Busy")
    scene.until_counts(2, 1, 1)
    scene.time += 601
    scene.record()
    scene.until_counts(2, 1, 1, 1)


def test_an_event_that_the_server_forgot_is_rewritten(scene: Scene) -> None:
    scene.record()
    scene.until_counts(1)
    scene.api.delete({"apiVersion": "v1", "kind": "Event", **scene.events[0]})
    scene.record()
    scene.until_counts(2)


def test_events_wait_for_the_server_and_are_counted_meanwhile(scene: Scene) -> None:
    scene.api.outage(True)
    for _ in range(5):
        scene.record()
    scene.record("something else")
    until(scene.cluster.problems, "the problem")
    scene.api.outage(False)
    scene.until_counts(5, 1)


def test_a_flood_is_bounded(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.api.outage(True)
    for number in range(300):
        scene.record(f"message {number}")
    assert "too many Events" in caplog.text
    scene.api.outage(False)
    until(lambda: len(scene.events) >= 256, "those that waited")
    assert len(scene.events) <= 257  # one more, if the first was under way when the others came


def test_a_refused_event_is_dropped_and_the_next_is_not(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.api.add_token(TOKEN, [rule for rule in RULES if rule["resources"] != ["events"]])
    scene.record()
    until(scene.cluster.problems, "the problem")
    assert scene.cluster.problems()[0].source == "create events"
    scene.api.add_token(TOKEN, RULES)
    scene.record("something else")
    scene.until_counts(1)
    assert "an Event could not be written" in caplog.text
    until(lambda: scene.cluster.problems() == (), "the server's answer has come too")


def test_an_event_that_fails_is_behind_the_others_and_lost_in_the_end(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """As where a webhook is broken for one namespace."""
    scene.api.fail(kind="status", status=500, count=1000, method="POST", path="/namespaces/broken/events")
    broken = pod("b", namespace="broken")
    scene.cluster.record_event(broken, warning=True, reason="NotReady", message="first")
    for number in range(3):
        scene.record(f"message {number}")
    scene.until_counts(1, 1, 1)
    until(lambda: "an Event could not be written (NotReady: first)" in caplog.text, "the line in the log")
    asked = [each for each in scene.api.requests(TOKEN) if "/namespaces/broken/" in each["path"]]
    assert len(asked) == 5


def test_an_event_that_fails_for_a_while_is_written(scene: Scene) -> None:
    scene.api.fail(kind="status", status=503, count=3, method="POST", path="/events")
    scene.record()
    scene.until_counts(1)


def test_a_long_message_is_cut_between_characters(scene: Scene) -> None:
    scene.record("ä" * 600)
    scene.until_counts(1)
    assert scene.events[0]["message"] == "ä" * 510 + "..."


def test_what_is_no_character_in_a_message_keeps_no_one_from_reading_the_rest(scene: Scene) -> None:
    scene.record("pool \ud800 is missing")
    scene.until_counts(1)
    assert scene.events[0]["message"] == "pool ? is missing"


def test_what_waits_is_written_at_the_end(scene: Scene) -> None:
    for number in range(20):
        scene.record(f"message {number}")
    scene.cluster.close()
    assert len(scene.events) == 20


def test_the_end_does_not_wait_for_a_server_that_is_away(scene: Scene) -> None:
    scene.api.outage(True)
    scene.record()
    until(scene.cluster.problems, "the problem")
    scene.cluster.close()
    scene.api.outage(False)
    assert scene.events == []
