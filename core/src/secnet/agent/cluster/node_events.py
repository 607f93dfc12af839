"""Events of the Node of this agent."""

from __future__ import annotations

from .interface import Cluster

__all__ = ["NodeEvents"]


class NodeEvents:
    """Records them. Its Events are found by its name in place of the uid, as the kubelet writes it. Thread-safe; never raises."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}}

    def record(self, warning: bool, reason: str, message: str) -> None:
        """Record one; see `Cluster.record_event`."""
        self._cluster.record_event(dict(self._node), warning=warning, reason=reason, message=message)
