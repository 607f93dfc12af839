"""Pods, networks and pools as plain dicts, for manifests and for the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_manifest", "nad", "pod", "pool"]

NETWORKS = "k8s.v1.cni.cncf.io/networks"


def pod(name: str, netns: str, networks: str | Sequence[Any] = "", *, namespace: str = "default") -> dict[str, Any]:
    """A Pod in the network namespace at the path `netns`. networks: the annotation's text, or its list; empty for none."""
    annotations = {"secnet.io/netns": netns}
    if networks:
        annotations[NETWORKS] = networks if isinstance(networks, str) else json.dumps(networks)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
    }


def nad(
    name: str,
    *,
    pools: Sequence[str] = (),
    ipam: Mapping[str, Any] | None = None,
    namespace: str = "default",
    network_type: str = "vlan",
    **options: Any,
) -> dict[str, Any]:
    """A NetworkAttachmentDefinition of our type.

    pools: names of IPPools. ipam: further keys of the ipam section, or all of it. options: go to its config, such as `vlan=100`.
    """
    config: dict[str, Any] = {"cniVersion": "0.3.0", "type": "antrea", "networkType": network_type, **options}
    section = {"type": "antrea", "ippools": list(pools)} if pools else {}
    if pools or ipam:
        config["ipam"] = section | dict(ipam or {})
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"config": json.dumps(config)},
    }


def pool(name: str, *ranges: str, gateway: str, prefix: int, vlan: int | None = None, **subnet: Any) -> dict[str, Any]:
    """An IPPool. ranges: each `FIRST-LAST` or a CIDR. subnet: further keys of subnetInfo."""
    info: dict[str, Any] = {"gateway": gateway, "prefixLength": prefix, **subnet}
    if vlan is not None:
        info["vlan"] = vlan
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {"ipRanges": [_range(text) for text in ranges], "subnetInfo": info},
    }


def as_manifest(*objects: dict[str, Any]) -> str:
    """The text of a manifest file that holds these objects: JSON is YAML too."""
    return "".join(f"---\n{json.dumps(item, indent=2)}\n" for item in objects)


def _range(text: str) -> dict[str, str]:
    first, dash, last = text.partition("-")
    return {"start": first, "end": last} if dash else {"cidr": text}
