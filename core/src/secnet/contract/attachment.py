"""The way of one network: request, plan, result.

Data goes one way: annotation -> AttachRequest -> Attachment (the plan) -> AttachResult -> status.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import freeze
from .identity import AttachmentId, DeviceRef, NetnsRef, NetworkRef, PodRef
from .lease import IpamLease
from .version import CONTRACT_VERSION

__all__ = ["AttachRequest", "AttachResult", "Attachment", "HostInterface"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachRequest:
    """What one network selection asks for, after all parsing and validation.

    options: the driver's own keys of the NAD config, valid by its schema fragment.
    mtu: bytes, from the NAD; None leaves the choice to the driver's default.
    mac: lower-case, colon-separated, unicast; None leaves the choice to the driver.
    device: set by the core exactly when the driver's `DriverInfo.needs_device` is true.
    bandwidth, port_mappings, infiniband_guid: set only for drivers that declare the capability.
    """

    container_id: str
    ifname: str
    network: NetworkRef
    network_type: str
    netns: NetnsRef
    pod: PodRef | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mtu: int | None = None
    mac: str | None = None
    device: DeviceRef | None = None
    bandwidth: Mapping[str, Any] | None = None
    port_mappings: tuple[Any, ...] = ()
    infiniband_guid: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", freeze(self.options))
        object.__setattr__(self, "bandwidth", freeze(self.bandwidth))
        object.__setattr__(self, "port_mappings", freeze(self.port_mappings))

    @property
    def key(self) -> AttachmentId:
        """The identity of the attachment that answers this request."""
        return AttachmentId(container_id=self.container_id, ifname=self.ifname)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """All that is needed to apply, check and remove one interface, by a fresh process of a newer version.

    `NetworkDriver.plan` makes it; the core writes it down before anything changes and adds lease and VLAN with `bind`.

    names: names of host objects, for example `{"host": "sn0a1b..", "bridge": "br-secondary"}`; string to string.
    prior: values found before any change, to be restored by `detach`.
    state: anything else the driver must remember; JSON-like.
    mtu, mac: what the Pod's interface is to have; decided by the plan.
    vlan: 0 is untagged; None for a network type without VLANs, and before `bind`.
    """

    request: AttachRequest
    contract: int = CONTRACT_VERSION
    names: Mapping[str, str] = field(default_factory=dict)
    prior: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    mtu: int | None = None
    mac: str | None = None
    lease: IpamLease | None = None
    vlan: int | None = None

    def __post_init__(self) -> None:
        for name in ("names", "prior", "state"):
            object.__setattr__(self, name, freeze(getattr(self, name)))

    @property
    def key(self) -> AttachmentId:
        """Identity: sandbox and interface name."""
        return self.request.key

    def bind(self, lease: IpamLease | None, vlan: int | None) -> Attachment:
        """This plan with what IPAM and the VLAN rules decided."""
        return dataclasses.replace(self, lease=lease, vlan=vlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostInterface:
    """A host-side interface that belongs to an attachment (the `interfaces` of a CNI result without sandbox)."""

    name: str
    mac: str = ""
    mtu: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachResult:
    """What `attach` made and read back.

    netdev: False when no interface was moved into the Pod (a userspace device); the core then skips its layer-3 step.
    late_carrier: True when carrier may come long after link-up, so that the kernel's own announcement would be lost. The core
    then waits for carrier, up to 3 s, and announces the addresses itself: without carrier the attach takes that much longer.
    device_info: the Device Information Spec object for network-status, or None.
    details: facts for people (`secnet status`), for example `{"bridge": "br-secondary", "port": "sn0a1b.."}`.
    """

    mac: str | None = None
    mtu: int | None = None
    netdev: bool = True
    late_carrier: bool = False
    host_interfaces: tuple[HostInterface, ...] = ()
    device_info: Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device_info", freeze(self.device_info))
        object.__setattr__(self, "details", freeze(self.details))
