"""What the kubelet's answer says: device ids by resource, in the same order each time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from .pci import device_id, pci_address
from .slices import ClaimedDevice, Published

if TYPE_CHECKING:
    from .podresources_pb2 import ClaimResource, ContainerResources

__all__ = ["by_resource", "claimed_drivers"]

_DIGITS = 20  # of a number that has a meaning
_NONE: Mapping[ClaimedDevice, Published] = MappingProxyType({})


def by_resource(
    containers: Iterable[ContainerResources], published: Mapping[ClaimedDevice, Published] = _NONE
) -> dict[str, tuple[str, ...]]:
    """The devices of a Pod's containers by resource; one of a claim that is not in `published` by its driver.

    Each id once: containers may share a device of a claim, and an init container leaves its devices to a later one.
    """
    found: dict[str, dict[str, None]] = {}
    for container in containers:
        here: dict[str, set[str]] = {}
        for resource, each in (*_plugin_devices(container), *_claimed_devices(container, published)):
            here.setdefault(resource, set()).add(device_id(each))
        for resource, ids in here.items():
            found.setdefault(resource, {}).update(dict.fromkeys(sorted(ids, key=_natural)))
    return {resource: tuple(ids) for resource, ids in found.items()}


def claimed_drivers(containers: Iterable[ContainerResources]) -> tuple[str, ...]:
    """The DRA drivers that serve claims of these containers, each once."""
    claims = (claim for container in containers for claim in container.dynamic_resources)
    return tuple(dict.fromkeys(each.driver_name for claim in claims for each in claim.claim_resources))


def _plugin_devices(container: ContainerResources) -> Iterator[tuple[str, str]]:
    return ((each.resource_name, found) for each in container.devices for found in each.device_ids)


def _claimed_devices(
    container: ContainerResources, published: Mapping[ClaimedDevice, Published]
) -> Iterator[tuple[str, str]]:
    for claim in container.dynamic_resources:
        before: Sequence[str] = ()
        for each in claim.claim_resources:
            names = [device.name for device in each.cdi_devices]
            own = _own_names(names, before)
            before = names
            said = published.get(ClaimedDevice(each.driver_name, each.pool_name, each.device_name))
            if said is None:
                yield each.driver_name, _claimed_id(each, own)
            else:
                yield said.resource, said.id or _claimed_id(each, own)


def _own_names(names: Sequence[str], before: Sequence[str]) -> Sequence[str]:
    """The kubelet (1.34) lists with each device of a claim the CDI names of those before it as well."""
    return names[len(before) :] if names[: len(before)] == list(before) else names


def _claimed_id(claimed: ClaimResource, cdi: Iterable[str]) -> str:
    """DRA drivers name devices in ways of their own: a PCI address wherever it stands, else the name for the container."""
    names = [*(name.rpartition("=")[2] for name in cdi), claimed.device_name]
    return next((address for name in names if (address := pci_address(name))), names[0])


def _natural(device: str) -> tuple[tuple[int, str], ...]:
    """`sf.9` before `sf.10`; hexadecimal addresses by their text."""
    if pci_address(device):
        return ((0, device),)
    return tuple(
        (int(part), "") if part.isdecimal() and len(part) < _DIGITS else (0, part)
        for part in re.split(r"(\d+)", device)
        if part
    )
