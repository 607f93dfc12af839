"""Events of the Node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from secnet.agent.cluster.node_events import NodeEvents


def test_its_events_name_the_node_as_the_kubelet_does() -> None:
    """A stand-in for the cluster, as what is sent is all there is; tests/kubernetes reads such an Event by kubectl."""
    recorded: list[tuple[Any, Any]] = []
    cluster: Any = SimpleNamespace(record_event=lambda obj, **event: recorded.append((obj, event)))
    NodeEvents(cluster, "n1").record(True, "UplinkDown", "eth1: it has no carrier")
    ((node, event),) = recorded
    assert (node["kind"], node["metadata"]) == ("Node", {"name": "n1", "uid": "n1"})
    assert event == {"warning": True, "reason": "UplinkDown", "message": "eth1: it has no carrier"}
