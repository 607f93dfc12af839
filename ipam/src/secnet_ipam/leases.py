"""Leases as the IPPools list them: all of them, and whether one is still listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import ADDRESS_OF_ANOTHER, Finding, IpamLease, IpamOwner, LeaseAddress, ObjectNotFound

from .entries import owned_by, raw_entries, read_entries, read_owner
from .pool import Pool, read_pool, read_spec
from .store import PoolStore
from .subjects import pool_subject
from .text import format_address, read_address

__all__ = ["check_lease", "rebuild_leases"]


def rebuild_leases(objects: Iterable[Mapping[str, Any]]) -> tuple[IpamLease, ...]:
    """One lease per sandbox and interface, of all entries that have both. Routes and DNS are not in the pools.

    An owner whose address cannot be read still has a lease, without that address: so that it can be released.
    """
    owners: dict[tuple[str, str], IpamOwner] = {}
    addresses: dict[tuple[str, str], list[LeaseAddress]] = {}
    vlans: dict[tuple[str, str], list[int]] = {}
    for obj in objects:
        pool = read_spec(obj, lambda finding: None)
        for entry in raw_entries(obj):
            owner = read_owner(entry)
            if owner is None:
                continue
            key = (owner.container_id, owner.ifname)
            owners.setdefault(key, owner)
            if pool is not None:
                addresses.setdefault(key, []).extend(_lease_address(entry, pool))
                vlans.setdefault(key, []).append(pool.vlan)
    return tuple(
        IpamLease(
            owner=owner,
            addresses=tuple(addresses.get(key, ())),
            vlans=tuple(dict.fromkeys(vlan for vlan in vlans.get(key, ()) if vlan)),
        )
        for key, owner in owners.items()
    )


def _lease_address(entry: Mapping[str, Any], pool: Pool) -> Iterator[LeaseAddress]:
    try:
        family, value = read_address(entry.get("ipAddress"))
    except ValueError:
        return
    if family == pool.family:
        yield LeaseAddress(address=pool.text(value), gateway=format_address(pool.family, pool.gateway), pool=pool.name)


def check_lease(store: PoolStore, lease: IpamLease) -> Iterator[Finding]:
    """What the pools do not say of the lease as they should. Addresses of the NAD itself are in no pool."""
    for address in lease.addresses:
        if address.pool is None:
            continue
        try:
            obj = store.get(address.pool)
        except ObjectNotFound:
            yield Finding(code="PoolGone", message=f"{pool_subject(address.pool)} of {address.address} is gone")
            continue
        entries = read_entries(obj, read_pool(obj))
        _, value = read_address(address.address.partition("/")[0])
        holder = entries.holders.get(value)
        if holder is None:
            message = f"{pool_subject(address.pool)} does not list {address.address}, which this interface uses"
            yield Finding(code="AddressNotListed", message=message)
        elif not owned_by(holder, lease.owner):
            message = f"{address.address} of {pool_subject(address.pool)} is listed for {entries.holder_text(value)}"
            yield Finding(code=ADDRESS_OF_ANOTHER, message=message)
