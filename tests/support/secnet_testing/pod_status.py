"""What a kubelet says of a Pod: phase, addresses, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["pod_status", "same_status"]

_OURS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


def pod_status(
    pod: Mapping[str, Any], addresses: Sequence[str], containers: Mapping[str, str], now: str
) -> dict[str, Any]:
    """The status of a Pod whose sandbox has these addresses and in which these containers (name: id) run.

    now: the time for conditions that change. Conditions of others, such as readiness gates, stay as the Pod has them.
    """
    before = pod.get("status") or {}
    names = [container["name"] for container in pod["spec"].get("containers") or []]
    running = bool(names) and all(name in containers for name in names)
    others = [each for each in before.get("conditions") or [] if each["type"] not in _OURS]
    states = {"PodScheduled": True, "Initialized": True, "ContainersReady": running}
    states["Ready"] = running and _gates_open(pod, others)
    conditions = [_condition(kind, state, before, now) for kind, state in states.items()]
    return {
        "phase": "Running" if running or before.get("phase") == "Running" else "Pending",
        "podIP": addresses[0] if addresses else None,
        "podIPs": [{"ip": address} for address in addresses] or None,
        "startTime": before.get("startTime") or now,
        "conditions": [*others, *conditions],
        "containerStatuses": [_container(name, containers.get(name)) for name in names],
    }


def same_status(status: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether a Pod already says this. Absent and None are the same."""
    return all(there.get(key) == value for key, value in status.items())


def _gates_open(pod: Mapping[str, Any], conditions: Sequence[Mapping[str, Any]]) -> bool:
    true = {each["type"] for each in conditions if each["status"] == "True"}
    return all(gate["conditionType"] in true for gate in pod["spec"].get("readinessGates") or [])


def _condition(kind: str, state: bool, before: Mapping[str, Any], now: str) -> dict[str, Any]:
    made = {"type": kind, "status": str(state)}
    if kind == "Ready" and not state:
        made["reason"] = "NotReady"
    old: Mapping[str, Any] = next((each for each in before.get("conditions") or [] if each["type"] == kind), {})
    same = old.get("status") == made["status"]
    return {**made, "lastTransitionTime": old.get("lastTransitionTime", now) if same else now}


def _container(name: str, container: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "ready": container is not None, "restartCount": 0}
    if container is None:
        return {**made, "state": {"waiting": {"reason": "ContainerCreating"}}}
    return {**made, "containerID": f"containerd://{container}", "state": {"running": {}}}
