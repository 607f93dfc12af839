"""The `ipam` section of a NAD: what a JSON schema has let through, read and checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from secnet.contract import Dns, InvalidConfig, LeaseAddress, LeaseOutline, Route, freeze, from_json

from .text import BITS, format_address, read_address, read_prefix

__all__ = ["IpamConfig", "StaticAddress", "outline", "read_config", "read_host"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticAddress:
    """An address that the NAD or the Pod itself names."""

    family: int
    value: int
    prefix_length: int
    gateway: str | None = None

    @property
    def lease(self) -> LeaseAddress:
        """This address as part of a lease; no pool records it."""
        text = f"{format_address(self.family, self.value)}/{self.prefix_length}"
        return LeaseAddress(address=text, gateway=self.gateway)


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamConfig:
    """A valid `ipam` section."""

    ippools: tuple[str, ...] = ()
    addresses: tuple[StaticAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = field(default_factory=Dns)


def read_config(config: Mapping[str, Any]) -> IpamConfig:
    """Read the section. Raises InvalidConfig with a JSON path from the root of the NAD's configuration."""
    ippools = tuple(config.get("ippools", ()))
    seen: set[str] = set()
    for index, name in enumerate(ippools):
        if name in seen:
            raise _invalid(f"$.ipam.ippools[{index}]", f"IPPool {name} is listed twice", "list each pool once")
        seen.add(name)
    return IpamConfig(
        ippools=ippools,
        addresses=_read_addresses(config.get("addresses", ())),
        routes=_read_routes(config.get("routes", ())),
        dns=_read_dns(config.get("dns", {})),
    )


def outline(config: IpamConfig, subnets: Iterable[str]) -> LeaseOutline:
    """What leases look like: with addresses of these subnets, beside those that the section lists."""
    listed = [str(ipaddress.ip_interface(address.lease.address).network) for address in config.addresses]
    return LeaseOutline(subnets=tuple(dict.fromkeys((*subnets, *listed))), routes=config.routes)


def read_host(text: Any) -> tuple[int, int, int]:
    """Family, value and prefix length of an address that an interface can have. Raises ValueError."""
    family, value, length = read_prefix(text)
    top = BITS[family] - length
    host = value & ((1 << top) - 1)
    multicast = value >> (BITS[family] - 4) == 0xE if family == 4 else value >> 120 == 0xFF
    loopback = value >> 24 == 127 if family == 4 else value == 1
    if value == 0 or multicast or loopback:
        raise ValueError(f"{text} is no address of a single interface")
    if top >= 2 and (host == 0 or (family == 4 and host == (1 << top) - 1)):
        kind = "the network" if host == 0 else "the broadcast"
        raise ValueError(f"{text} is {kind} address of its subnet")
    return family, value, length


def _read_addresses(items: Any) -> tuple[StaticAddress, ...]:
    found: dict[tuple[int, int], StaticAddress] = {}
    for index, item in enumerate(items):
        path = f"$.ipam.addresses[{index}]"
        hint = "write a host's address with its prefix length, such as 10.10.0.5/24"
        family, value, length = _at(f"{path}.address", hint, read_host, item["address"])
        gateway = None
        if item.get("gateway") is not None:
            own, hop = _at(f"{path}.gateway", "write an address without prefix length", read_address, item["gateway"])
            if own != family or hop == value:
                problem = "is the address itself" if own == family else f"is not IPv{family} as the address is"
                raise _invalid(f"{path}.gateway", f"{item['gateway']} {problem}", "name the gateway of the subnet")
            gateway = format_address(own, hop)
        address = StaticAddress(family=family, value=value, prefix_length=length, gateway=gateway)
        if (family, value) in found:
            raise _invalid(f"{path}.address", f"{item['address']} is listed twice", "list each address once")
        found[family, value] = address
    return tuple(found.values())


def _read_routes(items: Any) -> tuple[Route, ...]:
    found: dict[tuple[Any, ...], Route] = {}
    for index, item in enumerate(items):
        path = f"$.ipam.routes[{index}]"
        family, dst = _at(f"{path}.dst", "write a prefix, such as 192.168.0.0/16", _read_destination, item["dst"])
        gateway = None
        if item.get("gw") is not None:
            own, hop = _at(f"{path}.gw", "write an address without prefix length", read_address, item["gw"])
            if own != family:
                raise _invalid(
                    f"{path}.gw", f"{item['gw']} is not IPv{family} as dst is", f"use an IPv{family} next hop"
                )
            gateway = format_address(own, hop)
        route = from_json(Route, {**item, "dst": dst, "gw": gateway})
        # Several next hops for one destination are allowed; the same one twice is a mistake.
        identity = (route.dst, route.gw, route.priority, route.table)
        if identity in found:
            raise _invalid(path, f"the route to {dst} is listed twice", "list each route once")
        found[identity] = route
    return tuple(found.values())


def _read_destination(text: Any) -> tuple[int, str]:
    family, value, length = read_prefix(text)
    host_bits = (1 << (BITS[family] - length)) - 1
    network = f"{format_address(family, value & ~host_bits)}/{length}"
    # The kernel refuses such an IPv4 route and cuts such an IPv6 one; examples in the CNI documentation rely on the latter.
    if family == 4 and value & host_bits:
        raise ValueError(f"{text} has bits after its prefix; the network is {network}")
    return family, network


def _read_dns(item: Any) -> Dns:
    for index, server in enumerate(item.get("nameservers", ())):
        _at(f"$.ipam.dns.nameservers[{index}]", "name servers are given by address", read_address, server)
    return from_json(Dns, freeze(item))


def _at(path: str, hint: str, read: Callable[[Any], T], value: Any) -> T:
    try:
        return read(value)
    except ValueError as exc:
        raise _invalid(path, str(exc), hint) from exc


def _invalid(path: str, message: str, hint: str) -> InvalidConfig:
    return InvalidConfig(message, hint=hint, path=path)
