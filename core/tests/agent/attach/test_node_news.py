"""What is said of per-node state: each change once, in the log and as Events of the Node."""

from __future__ import annotations

import logging

import pytest
from secnet.agent.attach.node_news import NodeNews
from secnet.agent.model.report import NodeState
from secnet.contract import (
    AttachmentId,
    ComponentState,
    Finding,
    NodeComponent,
    NodeObservation,
    NodeReport,
    NotReady,
)

UP, DOWN = ComponentState.UP, ComponentState.DOWN


def state(uplink: ComponentState | None = None, message: str = "", **rest: object) -> NodeState:
    components = () if uplink is None else (NodeComponent(kind="uplink", name="up0", state=uplink, message=message),)
    return NodeState(network_type="vlan", observation=NodeObservation(components=components), **rest)  # type: ignore[arg-type]


@pytest.fixture
def events() -> list[tuple[bool, str, str]]:
    return []


@pytest.fixture
def news(events: list[tuple[bool, str, str]], caplog: pytest.LogCaptureFixture) -> NodeNews:
    caplog.set_level(logging.INFO)
    return NodeNews(lambda *event: events.append(event))


def test_what_comes_up_at_the_start_is_logged_and_no_event(
    news: NodeNews, events: list[tuple[bool, str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    news.tell(None, state(UP))
    assert caplog.messages == ["network type vlan: uplink up0: Up"]
    assert events == []


def test_down_and_up_again_are_events(news: NodeNews, events: list[tuple[bool, str, str]]) -> None:
    down = state(DOWN, "it has no carrier")
    news.tell(state(UP), down)
    news.tell(down, down)
    news.tell(down, state(UP))
    assert events == [
        (True, "UplinkDown", "network type vlan: uplink up0: Down: it has no carrier"),
        (False, "UplinkUp", "network type vlan: uplink up0: Up"),
    ]


def test_more_pods_on_what_is_down_are_no_news(news: NodeNews, events: list[tuple[bool, str, str]]) -> None:
    first = NodeComponent(
        kind="uplink", name="up0", state=DOWN, message="x", stranded=(AttachmentId(container_id="c", ifname="eth1"),)
    )
    second = NodeComponent(kind="uplink", name="up0", state=DOWN, message="x")
    before, now = (
        NodeState(network_type="vlan", observation=NodeObservation(components=(each,))) for each in (first, second)
    )
    news.tell(before, now)
    assert events == []


def test_an_error_and_its_end(
    news: NodeNews, events: list[tuple[bool, str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    failed = state(error=NotReady("no switch").info)
    news.tell(None, failed)
    news.tell(failed, failed)
    news.tell(failed, state())
    assert [event[:2] for event in events] == [(True, "NotReady")]
    assert caplog.messages[-1] == "network type vlan: the per-node state is made"


def test_a_finding_is_reported_once(news: NodeNews, events: list[tuple[bool, str, str]]) -> None:
    finding = Finding(code="BridgeDraining", message="two Pods", advisory=True)
    found = state(report=NodeReport(findings=(finding,)))
    news.tell(None, found)
    news.tell(found, found)
    assert events == [(True, "BridgeDraining", "network type vlan: BridgeDraining: two Pods")]
