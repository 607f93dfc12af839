"""What can be said of the addresses in any leases, whatever the backend."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from secnet.contract import IpamLease, LeaseAddress

__all__ = ["must_be_usable", "must_differ", "unusable"]

_NO_ENDS = 31
"""From this prefix length on an IPv4 subnet has no network and no broadcast address (RFC 3021)."""


def must_be_usable(leases: Sequence[IpamLease]) -> None:
    """Each address can be a Pod's: it has a prefix length, is a host of its subnet, and is no gateway."""
    items = [item for lease in leases for item in lease.addresses]
    gateways = {ipaddress.ip_address(item.gateway) for item in items if item.gateway is not None}
    for item in items:
        _must_be_host(item)
        assert ipaddress.ip_interface(item.address).ip not in gateways, f"{item.address} is the gateway"


def must_differ(leases: Sequence[IpamLease]) -> None:
    """No address from a pool stands in two leases; nor any, if none is from a pool."""
    given = [item.address for lease in leases for item in lease.addresses if item.pool is not None]
    given = given or [item.address for lease in leases for item in lease.addresses]
    assert len(set(given)) == len(given), f"an address was given twice: {given}"


def unusable(item: LeaseAddress) -> list[str]:
    """What can be no Pod's in the subnet of an address, with the prefix length."""
    subnet = ipaddress.ip_interface(item.address).network
    found = [] if item.gateway is None else [item.gateway]
    if subnet.version == 4 and subnet.prefixlen < _NO_ENDS:
        found += [str(subnet.network_address), str(subnet.broadcast_address)]
    return [f"{ip}/{subnet.prefixlen}" for ip in found]


def _must_be_host(item: LeaseAddress) -> None:
    assert "/" in item.address, f"{item.address} has no prefix length"
    interface = ipaddress.ip_interface(item.address)
    subnet = interface.network
    if item.gateway is not None:
        gateway = ipaddress.ip_address(item.gateway)
        assert gateway.version == interface.version, f"{item.address} with the gateway {gateway}"
    if subnet.version == 4 and subnet.prefixlen < _NO_ENDS:
        assert interface.ip != subnet.network_address, f"{item.address} is the address of the network itself"
        assert interface.ip != subnet.broadcast_address, f"{item.address} is the broadcast address"
