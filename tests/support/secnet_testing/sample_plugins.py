"""A small driver of each sort and a small IPAM backend, to test how the core treats any plugin. They make nothing."""

from __future__ import annotations

import importlib.metadata
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secnet.contract import (
    CLUSTER_SCOPE,
    DIALECT,
    VLAN_PROPERTY,
    Attachment,
    AttachRequest,
    AttachResult,
    BackendInfo,
    Call,
    CheckReport,
    DriverInfo,
    InvalidConfig,
    Inventory,
    IPAMBackend,
    IpamLease,
    IpamRequest,
    LeaseOutline,
    NetworkDriver,
    ObjectFinding,
    ObjectKind,
    ProbeReport,
    Route,
)

__all__ = ["PoolBackend", "SlotDriver", "WireDriver", "sample_entry_points"]

_OPTIONS: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Wire options",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "vlan": VLAN_PROPERTY,
        "bridge": {
            "title": "Bridge",
            "description": "Name of a bridge",
            "type": "string",
            "pattern": "^[a-z0-9-]+$",
            "examples": ["br-secondary"],
        },
        "mode": {
            "title": "Mode",
            "description": "How frames go",
            "enum": ["access", "trunk"],
            "examples": ["access"],
        },
        "trunk": {
            "title": "Trunk",
            "description": "VLANs of a trunk",
            "type": "array",
            "uniqueItems": True,
            "minItems": 1,
            "items": {"type": "integer", "minimum": 1},
            "examples": [[100, 200]],
        },
    },
}
_NODE: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Wire node configuration",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "ovsBridges": {
            "title": "Bridges",
            "description": "The bridges of this node",
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["bridgeName"],
                "properties": {
                    "bridgeName": {
                        "title": "Name",
                        "description": "Name of the bridge",
                        "type": "string",
                        "examples": ["br-secondary"],
                    }
                },
            },
            "examples": [[{"bridgeName": "br-secondary"}]],
        }
    },
}
_IPAM: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Pool options",
    "type": "object",
    "additionalProperties": False,
    "required": ["ippools"],
    "properties": {
        "ippools": {
            "title": "Pools",
            "description": "Names of the pools",
            "type": "array",
            "items": {"type": "string"},
            "examples": [["pool1"]],
        },
        "subnet": {
            "title": "Subnet",
            "description": "A prefix without host bits",
            "type": "string",
            "examples": ["10.0.0.0/24"],
        },
    },
}


class WireDriver(NetworkDriver):
    """A driver with VLANs, options of several kinds and a section in the node configuration; network type `vlan`."""

    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(
            network_type="vlan",
            node_aliases={"ovsBridges": "ovsBridges", "secondaryNetwork.ovsBridges": "ovsBridges"},
            summary="a wire",
            options=_OPTIONS,
            node=_NODE,
            capabilities=frozenset({"mac", "mtu"}),
            vlan=True,
            example={"vlan": 100},
        )

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return Attachment(request=request)

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return AttachResult()

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        return CheckReport()

    def detach(self, attachment: Attachment, call: Call) -> None:
        return None

    def inventory(self, call: Call) -> Inventory:
        return Inventory()


class SlotDriver(WireDriver):
    """A driver that needs a device; network type `slot`."""

    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(network_type="slot", summary="a device in a slot", needs_device=True)


_IPAM_NODE: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Pools of a node",
    "description": "What the backend reads of its node.",
    "type": "object",
    "properties": {
        "reserve": {
            "title": "Reserve",
            "description": "How many addresses are kept back.",
            "type": "integer",
            "minimum": 0,
            "default": 0,
            "examples": [2],
        }
    },
    "additionalProperties": False,
}


_IP_POOL = ObjectKind(kind="IPPool", group="crd.antrea.io", version="v1beta1", plural="ippools", scope=CLUSTER_SCOPE)


class PoolBackend(IPAMBackend):
    """A backend that checks more than its schema can, and objects of kind IPPool; IPAM type `pools`."""

    @classmethod
    def describe(cls) -> BackendInfo:
        return BackendInfo(
            ipam_type="pools",
            summary="pools",
            config=_IPAM,
            node=_IPAM_NODE,
            kinds=(_IP_POOL,),
            example={"ippools": ["pool1"]},
        )

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def validate(self, config: Mapping[str, Any]) -> None:
        try:
            ipaddress.ip_network(config.get("subnet", "10.0.0.0/24"))
        except ValueError as exc:
            raise InvalidConfig(f"not a subnet: {exc}", hint="clear the host bits", path="$.subnet") from exc

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        subnet = config.get("subnet")
        return LeaseOutline(subnets=(subnet,), routes=(Route(dst=subnet),)) if subnet else LeaseOutline()

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        for obj in objects:
            if obj["kind"] == "IPPool" and not obj.get("spec", {}).get("ipRanges"):
                yield obj, "$.spec.ipRanges", "the pool has no ranges", "add one"

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        return IpamLease(owner=request.owner)

    def release(self, request: IpamRequest, call: Call) -> None:
        return None


_POINTS = {
    "secnet.network_types": {"vlan": "WireDriver", "slot": "SlotDriver"},
    "secnet.ipam": {"pools": "PoolBackend"},
}


def sample_entry_points(group: str) -> list[importlib.metadata.EntryPoint]:
    """The sample plugins as entry points, for `Registry.load(sample_entry_points)`."""
    return [importlib.metadata.EntryPoint(name, f"{__name__}:{cls}", group) for name, cls in _POINTS[group].items()]
