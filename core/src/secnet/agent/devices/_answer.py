"""What the kubelet's answer says: device ids by resource, in the same order each time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .pci import device_id, pci_address

if TYPE_CHECKING:
    from .podresources_pb2 import ClaimResource, ContainerResources

__all__ = ["by_resource"]


def by_resource(containers: Iterable[ContainerResources]) -> dict[str, tuple[str, ...]]:
    """The devices of a Pod's containers by resource.

    Each id once: containers may share a device of a claim, and an init container leaves its devices to a later one.
    """
    found: dict[str, dict[str, None]] = {}
    for container in containers:
        here: dict[str, set[str]] = {}
        for resource, each in (*_plugin_devices(container), *_claimed_devices(container)):
            here.setdefault(resource, set()).add(device_id(each))
        for resource, ids in here.items():
            found.setdefault(resource, {}).update(dict.fromkeys(sorted(ids, key=_natural)))
    return {resource: tuple(ids) for resource, ids in found.items()}


def _plugin_devices(container: ContainerResources) -> Iterator[tuple[str, str]]:
    return ((each.resource_name, found) for each in container.devices for found in each.device_ids)


def _claimed_devices(container: ContainerResources) -> Iterator[tuple[str, str]]:
    return (
        (each.driver_name, _claimed_id(each)) for claim in container.dynamic_resources for each in claim.claim_resources
    )


def _claimed_id(claimed: ClaimResource) -> str:
    """DRA drivers name devices in ways of their own: a PCI address wherever it stands, else the name for the container."""
    names = [*(each.name.rpartition("=")[2] for each in claimed.cdi_devices), claimed.device_name]
    return next((address for name in names if (address := pci_address(name))), names[0])


def _natural(device: str) -> tuple[tuple[int, str], ...]:
    """`sf.9` before `sf.10`; hexadecimal addresses by their text."""
    if pci_address(device):
        return ((0, device),)
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", device) if part)
