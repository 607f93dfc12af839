"""What only a Pod has: its defaults, what of it never changes, and its end by stages."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .answers import ApiError, Object, invalid

__all__ = ["check_spec_unchanged", "decoded_pod", "grace_of", "new_status"]

_PARTS = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER = {"resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
# Never `omitempty` in the type of a condition.
_CONDITION = {"type": "", "status": "", "lastProbeTime": None, "lastTransitionTime": None}
_MUTABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")


def decoded_pod(pod: Object) -> Object:
    """The Pod as its type holds it: without fields that it does not know, with the zero values of those it always writes."""
    pod = {key: value for key, value in pod.items() if key in _PARTS}
    spec = pod["spec"] = _mapping(pod.get("spec"), "spec")
    for key, value in _SPEC.items():
        spec.setdefault(key, copy.deepcopy(value))
    for name in ("containers", "initContainers"):
        for container in _list(spec.get(name), f"spec.{name}"):
            for key, value in _CONTAINER.items():
                container.setdefault(key, copy.deepcopy(value))
    if not spec.get("containers"):
        raise invalid("Pod", pod["metadata"].get("name", ""), "spec.containers", "Required value")
    if pod.get("status"):
        status = _mapping(pod["status"], "status")
        if "conditions" in status:
            status["conditions"] = [_condition(item) for item in _list(status["conditions"], "status.conditions")]
            if not all(item["type"] for item in status["conditions"]):
                raise invalid("Pod", pod["metadata"].get("name", ""), "status.conditions.type", "must be non-empty")
            if not status["conditions"]:
                del status["conditions"]
    return pod


def _condition(found: Object) -> Object:
    made = _CONDITION | found
    return {key: value for key, value in made.items() if key in _CONDITION or value}


def _mapping(value: Any, path: str) -> Object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(400, "BadRequest", f"json: cannot unmarshal {path} into an object")
    return value


def _list(value: Any, path: str) -> list[Object]:
    items = [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, "BadRequest", f"json: cannot unmarshal {path} into a list of objects")
    return items


def new_status() -> Object:
    """Of a Pod that was made just now."""
    return {"phase": "Pending", "qosClass": "BestEffort"}


def check_spec_unchanged(old: Object, new: Object) -> None:
    """Raises 422 for a change of what an update of a Pod may not change: the node is chosen by a binding."""
    if _fixed(old["spec"]) != _fixed(new["spec"]):
        raise invalid("Pod", old["metadata"]["name"], "spec", "Forbidden: pod updates may not change it")


def _fixed(spec: Mapping[str, Any]) -> Object:
    kept: Object = {key: value for key, value in spec.items() if key not in _MUTABLE}
    for name in ("containers", "initContainers"):
        kept[name] = [{key: value for key, value in item.items() if key != "image"} for item in spec.get(name) or ()]
    return kept


def grace_of(pod: Object, options: Mapping[str, Any]) -> int:
    """Only a Pod on a node, and not ended, has a grace period: there the kubelet ends it and removes it with 0."""
    if not pod["spec"].get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(pod["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)
