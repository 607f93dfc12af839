"""Facts that are read from a Pod object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import PodRef

__all__ = ["NETWORKS_ANNOTATION", "PodKey", "asks_for_networks", "is_blank", "is_finished", "pod_key", "pod_ref"]

NETWORKS_ANNOTATION = "k8s.v1.cni.cncf.io/networks"

_WHITE_SPACE = " \t\n\v\f\r"  # of ASCII alone: deploy/cni/json.c decides by the same


def pod_ref(pod: Mapping[str, Any]) -> PodRef:
    """The reference of a Pod object."""
    meta = pod["metadata"]
    return PodRef(
        namespace=meta.get("namespace") or "default",
        name=meta["name"],
        uid=meta.get("uid", ""),
        node=(pod.get("spec") or {}).get("nodeName", "") or "",
    )


PodKey = tuple[str, str]
"""Namespace and name."""


def pod_key(pod: Mapping[str, Any]) -> PodKey:
    """Namespace and name of a Pod object."""
    meta = pod["metadata"]
    return (meta.get("namespace") or "default", meta["name"])


def is_finished(pod: Mapping[str, Any]) -> bool:
    """A Pod whose containers have ended for good keeps no networks."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def asks_for_networks(pod: Mapping[str, Any]) -> bool:
    """Whether the Pod has the annotation at all, whatever it says.

    The CNI plugin (deploy/cni/secnet-cni.c) lets a Pod of which this is false start without asking the agent.
    """
    return not is_blank((pod["metadata"].get("annotations") or {}).get(NETWORKS_ANNOTATION) or "")


def is_blank(annotation: str) -> bool:
    """Whether an annotation has nothing but ASCII white space."""
    return not annotation.strip(_WHITE_SPACE)
