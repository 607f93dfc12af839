"""What the NAD says, read: a subnet, the range of it that is given away, and what goes with each address."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig, Route

__all__ = ["Address", "Network", "Plan", "read_config", "read_requested"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A valid configuration. first and last are hosts of the subnet; the gateway may lie between them and is never given."""

    subnet: Network
    first: Address
    last: Address
    gateway: Address | None = None
    routes: tuple[Route, ...] = ()

    def __contains__(self, address: Address) -> bool:
        """Whether an address may be given away."""
        same = address.version == self.subnet.version
        return same and int(self.first) <= int(address) <= int(self.last) and address != self.gateway

    @property
    def size(self) -> int:
        """How many addresses may be given away."""
        inside = self.gateway is not None and int(self.first) <= int(self.gateway) <= int(self.last)
        return int(self.last) - int(self.first) + 1 - inside

    def lowest_free(self, taken: Container[Address]) -> Address | None:
        """The first address that may be given and is not taken."""
        for number in range(int(self.first), int(self.last) + 1):
            address = type(self.first)(number)
            if address in self and address not in taken:
                return address
        return None

    def text(self, address: Address) -> str:
        """An address as a lease says it."""
        return f"{address}/{self.subnet.prefixlen}"


def read_config(config: Mapping[str, Any]) -> Plan:
    """Read a section that is valid by the schema. Raises InvalidConfig with the path of what no schema can refuse."""
    subnet = _subnet(config["subnet"])
    lowest, highest = _hosts(subnet)
    gateway = _host(config["gateway"], subnet, "$.ipam.gateway") if "gateway" in config else None
    plan = Plan(
        subnet=subnet,
        first=_host(config["rangeStart"], subnet, "$.ipam.rangeStart") if "rangeStart" in config else lowest,
        last=_host(config["rangeEnd"], subnet, "$.ipam.rangeEnd") if "rangeEnd" in config else highest,
        gateway=gateway,
        routes=tuple(_route(item, subnet, index) for index, item in enumerate(config.get("routes", ()))),
    )
    if int(plan.first) > int(plan.last):
        raise InvalidConfig(
            f"the range from {plan.first} to {plan.last} ends before it starts",
            hint="rangeEnd must not lie before rangeStart",
            path="$.ipam.rangeEnd",
        )
    if not plan.size:
        raise InvalidConfig(
            f"the range holds nothing but the gateway {gateway}", hint="widen it", path="$.ipam.rangeStart"
        )
    return plan


def read_requested(ips: Sequence[str], plan: Plan) -> tuple[Address, ...]:
    """The addresses that a Pod insists on. Raises InvalidConfig for those that this network can never give."""
    found: list[Address] = []
    for text in ips:
        plain, _, length = text.partition("/")
        address = _address(plain, "ips")
        if length and length != str(plan.subnet.prefixlen):
            hint = f"write /{plan.subnet.prefixlen}, or no prefix length"
            raise InvalidConfig(f"{text} was requested of the subnet {plan.subnet}", hint=hint, path="ips")
        if address not in plan:
            raise InvalidConfig(
                f"{address} was requested, which is not given to Pods of this node",
                hint=f"ask for an address from {plan.first} to {plan.last}, but not the gateway",
                path="ips",
            )
        if address in found:
            raise InvalidConfig(f"{address} is requested twice", hint="list each address once", path="ips")
        found.append(address)
    return tuple(found)


def _subnet(text: str) -> Network:
    path = "$.ipam.subnet"
    if "%" in text:
        raise InvalidConfig(f"{text} names an interface", hint="leave out the % and what follows it", path=path)
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as exc:
        raise InvalidConfig(f"{text!r} is no subnet: {exc}", hint="write one like 10.9.0.0/24", path=path) from exc
    network: Network = interface.network
    if "/" not in text or interface.ip != network.network_address:
        hint = f"write {network}" if "/" in text else "add its prefix length"
        raise InvalidConfig(f"{text} is an address, not a subnet", hint=hint, path=path)
    if network.is_multicast:
        raise InvalidConfig(f"{network} is a multicast range", hint="take a subnet of unicast addresses", path=path)
    lowest, highest = _hosts(network)
    if int(lowest) > int(highest):
        raise InvalidConfig(f"{network} has no address for Pods", hint="take a larger subnet", path=path)
    return network


def _hosts(subnet: Network) -> tuple[Address, Address]:
    """First and last host: neither the network's own address (in IPv6 that of all routers) nor IPv4's broadcast."""
    numbers = int(subnet.network_address) + 1, int(subnet.broadcast_address) - (subnet.version == 4)
    first, last = (type(subnet.network_address)(max(number, 0)) for number in numbers)
    return first, last


def _address(text: str, path: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise InvalidConfig(f"{text!r} is no address", hint="write it like 10.9.0.10", path=path) from exc
    if "%" in text:
        raise InvalidConfig(f"{text} names an interface", hint="leave out what follows the %", path=path)
    return address


def _host(text: str, subnet: Network, path: str) -> Address:
    address = _address(text, path)
    lowest, highest = _hosts(subnet)
    if address.version != subnet.version or not int(lowest) <= int(address) <= int(highest):
        hint = f"write an address from {lowest} to {highest}"
        raise InvalidConfig(f"{address} is no host of the subnet {subnet}", hint=hint, path=path)
    return address


def _route(route: Mapping[str, Any], subnet: Network, index: int) -> Route:
    path = f"$.ipam.routes[{index}]"
    try:
        dst = ipaddress.ip_network(route["dst"])
    except ValueError as exc:
        raise InvalidConfig(
            f"{route['dst']!r} is no prefix: {exc}", hint="clear its host bits", path=f"{path}.dst"
        ) from exc
    if dst.version != subnet.version:
        hint = "a route needs addresses of its own family"
        raise InvalidConfig(f"{dst} is of another family than {subnet}", hint=hint, path=f"{path}.dst")
    gw = _host(route["gw"], subnet, f"{path}.gw") if "gw" in route else None
    return Route(dst=str(dst), gw=str(gw) if gw else None)
