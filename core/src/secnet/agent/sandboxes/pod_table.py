"""This node's Pods, as the watch last saw them."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping
from typing import Any

from ..model.pod import PodKey, asks_for_networks, pod_key
from ..model.sandbox import SandboxSource

__all__ = ["PodTable"]


class PodTable:
    """This node's Pods as the watch last saw them. Thread-safe."""

    def __init__(self, node_name: str) -> None:
        self._node = node_name
        self._lock = threading.Lock()
        self._pods: dict[PodKey, Mapping[str, Any]] = {}

    def update(self, pod: Mapping[str, Any]) -> bool:
        """Take a new state; False when nothing that matters here changed, or the Pod belongs to another node."""
        key = pod_key(pod)
        if not self.is_here(pod):
            return self.remove(key)
        with self._lock:
            before = self._pods.get(key)
            self._pods[key] = pod
        return before is None or _essence(before) != _essence(pod)

    def is_here(self, pod: Mapping[str, Any]) -> bool:
        """Whether the Pod belongs to this node."""
        return (pod.get("spec") or {}).get("nodeName") in (None, "", self._node)

    def remove(self, key: PodKey) -> bool:
        """Forget a Pod; False when it was not here."""
        with self._lock:
            return self._pods.pop(key, None) is not None

    def get(self, key: PodKey) -> Mapping[str, Any] | None:
        """The Pod, or None."""
        with self._lock:
            return self._pods.get(key)

    def containers(self, source: SandboxSource, recorded: Container[PodKey]) -> dict[PodKey, str | None]:
        """Every Pod with the container id of its sandbox, None where it is unknown or the Pod has no secondary networks.

        recorded: the Pods with records, whatever their annotations say now.
        """
        pods = self.all()
        with_networks = {key: pod for key, pod in pods.items() if key in recorded or asks_for_networks(pod)}
        return dict.fromkeys(pods) | {key: source.container_of(pod) for key, pod in with_networks.items()}

    def all(self) -> dict[PodKey, Mapping[str, Any]]:
        """A copy of the table."""
        with self._lock:
            return dict(self._pods)


def _essence(pod: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a Pod makes another reconcile worthwhile."""
    meta, status = pod["metadata"], pod.get("status") or {}
    # A new sandbox gets another address, and the kubelet reports it.
    return (meta.get("uid"), meta.get("generation"), status.get("phase"), status.get("podIPs"), meta.get("annotations"))
