"""What an IPAM backend is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import freeze
from .identity import NetnsRef, NetworkRef, PodRef

__all__ = ["Dns", "IpamLease", "IpamOwner", "IpamRequest", "LeaseAddress", "LeaseOutline", "Route"]


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
class LeaseOutline:
    """What the leases of a network look like, as far as this is known without making one.

    subnets: prefixes of the addresses, such as `10.1.0.0/24`. routes: as in the lease.
    """

    subnets: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamLease:
    """What a backend gave to an owner.

    vlans: the distinct non-zero VLAN ids of the pools used; the core decides what they mean.
    state: the backend's own data, kept in the record and handed back on renew and release.
    expires_at: when the lease ends unless it is renewed, in seconds of Unix time; None for one that does not end.
    renew_at: from when on the core renews it; None together with `expires_at`: at the next resync. A resync comes at the node
    configuration's `checkInterval`, 60 s by default.
    """

    owner: IpamOwner
    addresses: tuple[LeaseAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()
    vlans: tuple[int, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    renew_at: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", freeze(self.state))
