"""Fixtures of this folder."""

from __future__ import annotations

from typing import Any

from secnet.contract import AttachRequest, NetworkRef, PodRef
from secnet_testing.netns import Namespace
from secnet_testing.veth_pair import HOST_END, POD_END, POD_MAC, Wire, wire

__all__ = ["HOST_END", "POD_END", "POD_MAC", "Wire", "request_for", "wire"]


def request_for(pod: Namespace, **fields: Any) -> AttachRequest:
    """A request of a Pod that a namespace stands for."""
    usual: dict[str, Any] = {
        "container_id": "c1",
        "ifname": "eth1",
        "pod": PodRef(namespace="default", name="web", uid="u1"),
        "network": NetworkRef(namespace="default", name="lan"),
        "netns": fields.get("netns") or pod.ref,
    }
    return AttachRequest(**usual | fields)
