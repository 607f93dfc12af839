"""The data that crosses the boundaries between the core, drivers and IPAM backends.

Everything here is frozen and keyword-only, and round-trips through JSON by `secnet.contract.codec`. Mappings are read-only
proxies of JSON-like data. Data goes one way: annotation -> AttachRequest -> Attachment (the plan) -> AttachResult -> status.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import freeze
from .version import CONTRACT_VERSION

__all__ = [
    "AttachRequest",
    "AttachResult",
    "Attachment",
    "CheckReport",
    "DeviceRef",
    "Dns",
    "Finding",
    "ForeignObject",
    "HostInterface",
    "Inventory",
    "IpamLease",
    "IpamOwner",
    "IpamRequest",
    "Key",
    "LeaseAddress",
    "NetnsRef",
    "NetworkRef",
    "NodeReport",
    "Owned",
    "PodRef",
    "ProbeReport",
    "Route",
]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """Identity of an attachment: the sandbox and the interface name inside it (ARCHITECTURE "Identity")."""

    container_id: str
    ifname: str

    def __str__(self) -> str:
        return f"{self.container_id}/{self.ifname}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """The Pod that asked. `uid` groups and cross-checks attachments; it is not their key."""

    namespace: str
    name: str
    uid: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class NetworkRef:
    """A NetworkAttachmentDefinition."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsRef:
    """A network namespace: the path to open, and what proves that it is still the same one.

    The kernel may give the inode of a removed namespace to the next one (measured); the cookie is never used twice in one boot.
    It is 0 where the kernel has none (before 5.14).
    """

    path: str
    device: int
    inode: int
    cookie: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """A device that the core allocated for this attachment: a PCI address or an auxiliary device name."""

    id: str
    resource: str = ""


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
    def key(self) -> Key:
        """The identity of the attachment that answers this request."""
        return Key(container_id=self.container_id, ifname=self.ifname)


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamOwner:
    """Who holds a lease. Same owner, same lease: a repeated allocation returns what is already there."""

    container_id: str
    ifname: str
    pod: PodRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamRequest:
    """What a backend is asked for.

    config: the backend's own keys of the NAD's `ipam` section, valid by its schema fragment.
    ips: addresses that the Pod insists on, each `ADDRESS` or `ADDRESS/PREFIX`; non-empty only for backends with capability `ips`.
    netns, mac: set in phase `after_link` only.
    """

    owner: IpamOwner
    network: NetworkRef
    config: Mapping[str, Any]
    ips: tuple[str, ...] = ()
    netns: NetnsRef | None = None
    mac: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", freeze(self.config))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseAddress:
    """One address of a lease. `address` is `ADDRESS/PREFIX`; `gateway` is informative: no default route follows from it."""

    address: str
    gateway: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route inside the Pod: `dst` is a prefix; the rest as in the CNI 1.1 result (`scope` 0, 253 or 254)."""

    dst: str
    gw: str | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Resolver settings, reported in the status and never written into the Pod (CNI 1.1 result, `dns`)."""

    nameservers: tuple[str, ...] = ()
    domain: str | None = None
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamLease:
    """What a backend gave to an owner.

    vlans: the distinct non-zero VLAN ids of the pools used; the core decides what they mean.
    state: the backend's own data, kept in the record and handed back on renew and release.
    """

    owner: IpamOwner
    addresses: tuple[LeaseAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()
    vlans: tuple[int, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", freeze(self.state))


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
    def key(self) -> Key:
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
    late_carrier: True when carrier may come long after link-up, so that the kernel's own announcement would be lost.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One deviation found by a check. `repairable`: making the attachment anew would mend it."""

    code: str
    message: str
    repairable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The outcome of a read-only check; clean when nothing was found."""

    findings: tuple[Finding, ...] = ()

    @property
    def clean(self) -> bool:
        """True when what is there is what was asked for."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """An object group that carries our owner tag, rebuilt into the attachment it belongs to.

    complete: every part that `attach` makes is present. The lease of a rebuilt attachment is None.
    """

    attachment: Attachment
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignObject:
    """Something without our owner tag that stands in our way; reported, never touched."""

    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What `inventory` found on the host."""

    owned: tuple[Owned, ...] = ()
    foreign: tuple[ForeignObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """Whether a plugin can work here. Not ready is a value, not an exception; `message` then says why and what to do."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """The outcome of `reconcile_node`: findings name what per-node state (bridge, uplink) is missing or foreign."""

    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", freeze(self.details))

    @property
    def ready(self) -> bool:
        """True when all per-node state is as desired."""
        return not self.findings
