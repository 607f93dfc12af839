"""What DRA drivers publish about their devices in ResourceSlices: the resource that each stands for, and its id.

The attributes are those that Multus 4.3 reads: `k8s.cni.cncf.io/resourceName` and `k8s.cni.cncf.io/deviceID`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from secnet.contract import MissingPrivilege, ObjectNotFound

__all__ = ["NO_SLICES", "ClaimedDevice", "Published", "ResourceSlices", "SliceReader"]

_PATH = "/apis/resource.k8s.io/v1/resourceslices"
_RESOURCE = "k8s.cni.cncf.io/resourceName"
_ID = "k8s.cni.cncf.io/deviceID"


class ClaimedDevice(NamedTuple):
    """A device of Dynamic Resource Allocation: the three names together are one of a kind in the cluster."""

    driver: str
    pool: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What its driver says about a device. resource: as a NAD names it. id: as the network driver takes it, may be empty."""

    resource: str
    id: str


class SliceReader(Protocol):
    """The part of the reader of the Kubernetes API that is used here; see `secnet.agent.cluster.interface.ApiReader`."""

    def list(self, path: str, *, fields: str = "") -> list[dict[str, Any]]:
        """All objects at a path, selected by fields."""
        ...


class ResourceSlices:
    """Asks the API server each time, and keeps nothing. reader: None where there is no Kubernetes API."""

    def __init__(self, reader: SliceReader | None, node_name: str) -> None:
        self._reader = reader
        self._node = node_name
        self._forbidden = False

    @property
    def forbidden(self) -> bool:
        """Whether the last question was refused for want of a right."""
        return self._forbidden

    def published(self, drivers: Iterable[str]) -> Mapping[ClaimedDevice, Published]:
        """The devices of this node that these drivers give a resource name. One LIST for each driver.

        Empty without the right, and on a cluster that does not serve the API. Raises Retryable while it does not answer.
        """
        found: dict[ClaimedDevice, Published] = {}
        for driver in drivers if self._reader is not None else ():
            found |= _devices(driver, self._slices(driver))
        return found

    def _slices(self, driver: str) -> Sequence[Mapping[str, Any]]:
        assert self._reader is not None
        self._forbidden = False
        try:
            return self._reader.list(_PATH, fields=f"spec.nodeName={self._node},spec.driver={driver}")
        except MissingPrivilege:
            self._forbidden = True
        except ObjectNotFound:
            pass  # older than Kubernetes 1.34, or without Dynamic Resource Allocation
        return ()


NO_SLICES = ResourceSlices(None, "")


def _devices(driver: str, slices: Iterable[Mapping[str, Any]]) -> dict[ClaimedDevice, Published]:
    """While a pool is published again, slices of its former generation are still there: the newer ones win."""
    found: dict[ClaimedDevice, Published] = {}
    for spec in sorted((each["spec"] for each in slices), key=lambda spec: int(spec["pool"].get("generation", 0))):
        for device in spec.get("devices") or ():
            attributes = device.get("attributes") or {}
            key = ClaimedDevice(driver, spec["pool"]["name"], device["name"])
            found.pop(key, None)
            if resource := _text(attributes, _RESOURCE):
                found[key] = Published(resource=resource, id=_text(attributes, _ID))
    return found


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = (attributes.get(name) or {}).get("string")
    return value if isinstance(value, str) else ""
