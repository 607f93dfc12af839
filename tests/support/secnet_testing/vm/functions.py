"""Pods with devices, and what is to be seen of a device before and after a Pod had it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..netns import run_in
from ..objects import nad, pod
from .guestnode import GuestNode
from .nic import PhysicalFunction, netdevs

__all__ = ["RESOURCE", "device_nad", "device_pod", "host_link", "state_of_vf"]

RESOURCE = "example.com/functions"
_DEVICES = "secnet.io/devices"
_RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"


def device_nad(name: str, network_type: str, *, pools: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """A network of a type that needs a device, from the resource RESOURCE."""
    made = nad(name, network_type=network_type, pools=pools, **options)
    made["metadata"]["annotations"] = {_RESOURCE_NAME: RESOURCE}
    return made


def device_pod(node: GuestNode, name: str, networks: Any, *devices: str) -> dict[str, Any]:
    """A Pod that was given these devices."""
    made = pod(name, node.pod(name).path, networks)
    made["metadata"]["annotations"][_DEVICES] = json.dumps({RESOURCE: list(devices)})
    return made


def host_link(device: str) -> Mapping[str, Any]:
    """What the kernel says of the one link of a PCI function in this namespace; empty when it has none here."""
    names = netdevs(device)
    if len(names) != 1:
        return {}
    (link,) = json.loads(run_in(None, ["ip", "-j", "-d", "link", "show", names[0]]))
    kept = ("ifname", "address", "mtu", "ifalias", "group")
    return {key: link[key] for key in kept if key in link} | {"up": "UP" in link["flags"]}


def state_of_vf(card: PhysicalFunction, number: int) -> dict[str, Any]:
    """All that a Pod's use of a virtual function may change: its link here, and what its card keeps for it."""
    address = card.vf(number)
    return {"link": host_link(address), "card": card.vf_info(number), "driver": _driver(address)}


def _driver(address: str) -> str:
    return (Path("/sys/bus/pci/devices") / address / "driver").resolve().name
