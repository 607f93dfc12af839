"""Events about the agent's own Node."""

from __future__ import annotations

from ..cluster.interface import Cluster

__all__ = ["record_on_node"]


def record_on_node(cluster: Cluster, name: str, reason: str, message: str) -> None:
    """Record a warning. The Events of a Node are found by its name in place of the uid, as the kubelet writes it."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}}
    cluster.record_event(node, warning=True, reason=reason, message=message)
