"""Events about the Node."""

from __future__ import annotations

from typing import Any

from secnet.agent.process._node_events import record_on_node


def test_an_event_is_about_the_node_as_the_kubelet_names_it() -> None:
    """Over a stand-in; tests/api_double has the request."""
    recorded: list[Any] = []

    class Cluster:
        def record_event(self, obj: Any, **rest: Any) -> None:
            recorded.append((obj, rest))

    cluster: Any = Cluster()
    record_on_node(cluster, "worker-1", "PluginStuck", "it hangs")
    ((obj, rest),) = recorded
    assert (obj["kind"], obj["metadata"]) == ("Node", {"name": "worker-1", "uid": "worker-1"})
    assert rest == {"warning": True, "reason": "PluginStuck", "message": "it hangs"}
