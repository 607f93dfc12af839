"""The allocations of an IPPool: `status.ipAddresses`, in exactly the shape that Antrea reads and writes.

An entry is `{ipAddress, phase, owner: {pod: {name, namespace, containerID, ifName}}}`. Entries of others (primary interfaces,
which have no ifName; reservations for StatefulSets) hold their address and are never touched. An entry that makes no sense
holds nothing and blocks nothing: it is left where it is and reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import IpamOwner, PodRef

from .findings import PoolFinding
from .pool import Pool
from .text import format_address, read_address

__all__ = [
    "Entries",
    "entry_findings",
    "entry_of",
    "owned_by",
    "raw_entries",
    "read_entries",
    "read_owner",
    "with_entries",
]

_LARGEST_COUNT = 2**63 - 1
"""The CRD's counters are 64-bit integers; an IPv6 pool may be larger than they can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The readable entries of a pool. Of two entries for one address the first one counts.

    holders: address -> the entry that holds it, for addresses inside the pool's subnet.
    """

    pool: Pool
    raw: tuple[Any, ...]
    holders: Mapping[int, Mapping[str, Any]]

    def held_by(self, owner: IpamOwner) -> tuple[int, ...]:
        """The addresses that `owner` holds and that the pool's ranges still contain, in the order of the entries."""
        held = (address for address, entry in self.holders.items() if owned_by(entry, owner))
        return tuple(address for address in held if address in self.pool.ranges)

    def without_owner(self, owner: IpamOwner) -> list[Any]:
        """All entries but those of `owner`, readable or not."""
        return [entry for entry in self.raw if not owned_by(entry, owner)]

    def holder_text(self, address: int) -> str:
        """Who holds an address, for people."""
        return _holder_text(self.holders[address])


def read_entries(obj: Mapping[str, Any], pool: Pool) -> Entries:
    """The entries of a live object."""
    raw = raw_entries(obj)
    holders: dict[int, Mapping[str, Any]] = {}
    for entry in raw:
        address = _address_of(entry, pool)
        if isinstance(address, int):
            holders.setdefault(address, entry)
    return Entries(pool=pool, raw=raw, holders=holders)


def entry_findings(obj: Mapping[str, Any], pool: Pool) -> Iterator[PoolFinding]:
    """The entries that make no sense. None of them keeps the pool from being used."""
    seen: dict[int, int] = {}
    for index, entry in enumerate(raw_entries(obj)):
        address = _address_of(entry, pool)
        if isinstance(address, str):
            message = address
        elif address in seen:
            message = f"{format_address(pool.family, address)} is also in entry {seen[address]}, which counts"
        elif address not in pool.ranges:
            message = f"{format_address(pool.family, address)} lies in none of the ranges of the pool"
        else:
            seen[address] = index
            continue
        hint = "remove the entry if its owner is gone; until then it is left alone and its address is not allocated"
        yield PoolFinding(path=f"$.status.ipAddresses[{index}]", message=message, hint=hint, fatal=False)


def entry_of(pool: Pool, address: int, owner: IpamOwner) -> dict[str, Any]:
    """The entry that gives `address` to `owner`."""
    pod = {"name": owner.pod.name, "namespace": owner.pod.namespace} if owner.pod else {}
    return {
        "ipAddress": format_address(pool.family, address),
        "phase": "Allocated",
        "owner": {"pod": {**pod, "containerID": owner.container_id, "ifName": owner.ifname}},
    }


def owned_by(entry: Any, owner: IpamOwner) -> bool:
    """Whether an entry belongs to exactly this sandbox and interface. The Pod's name does not decide: names come again."""
    pod = _pod_of(entry)
    same = pod.get("containerID") == owner.container_id and pod.get("ifName") == owner.ifname
    # An empty name is that of a primary interface, for every caller.
    return same and bool(owner.container_id and owner.ifname)


def read_owner(entry: Any) -> IpamOwner | None:
    """The owner of an entry for a secondary interface, None for any other entry."""
    pod = _pod_of(entry)
    container_id, ifname = pod.get("containerID"), pod.get("ifName")
    if not isinstance(container_id, str) or not isinstance(ifname, str) or not container_id or not ifname:
        return None
    name, namespace = pod.get("name"), pod.get("namespace")
    named = isinstance(name, str) and isinstance(namespace, str)
    # The entry has no UID: it identifies the sandbox, which a UID would not.
    ref = PodRef(namespace=str(namespace), name=str(name), uid="") if named else None
    return IpamOwner(container_id=container_id, ifname=ifname, pod=ref)


def raw_entries(obj: Mapping[str, Any]) -> tuple[Any, ...]:
    """`status.ipAddresses` as it is, empty when the object has none."""
    status = obj.get("status")
    entries = status.get("ipAddresses") if isinstance(status, Mapping) else None
    return tuple(entries) if isinstance(entries, list | tuple) else ()


def with_entries(obj: dict[str, Any], entries: list[Any], pool: Pool | None = None) -> dict[str, Any]:
    """The object with these entries and the counters that follow from them; the rest of its status stays.

    Without a pool (its specification cannot be read) the total stays as it was.
    """
    status = obj.get("status")
    kept = dict(status) if isinstance(status, Mapping) else {}
    counters = kept.get("usage")
    usage = {**(counters if isinstance(counters, Mapping) else {}), "used": len(entries)}
    if pool is not None:
        usage["total"] = min(pool.usable.size, _LARGEST_COUNT)
    return {**obj, "status": {**kept, "ipAddresses": entries, "usage": usage}}


def _pod_of(entry: Any) -> Mapping[str, Any]:
    owner = entry.get("owner") if isinstance(entry, Mapping) else None
    pod = owner.get("pod") if isinstance(owner, Mapping) else None
    return pod if isinstance(pod, Mapping) else {}


def _address_of(entry: Any, pool: Pool) -> int | str:
    """The address of an entry, or what is wrong with it."""
    if not isinstance(entry, Mapping):
        return f"{entry!r} is not an entry"
    try:
        family, address = read_address(entry.get("ipAddress"))
    except ValueError as exc:
        return str(exc)
    if family != pool.family or not pool.subnet[0] <= address <= pool.subnet[1]:
        return f"{entry['ipAddress']} lies outside the subnet {pool.subnet_text}"
    return address


def _holder_text(entry: Mapping[str, Any]) -> str:
    pod = _pod_of(entry)
    if pod.get("name"):
        interface = f" interface {pod['ifName']}" if pod.get("ifName") else ""
        return f"Pod {pod.get('namespace', '')}/{pod['name']}{interface}"
    owner = entry.get("owner")
    stateful_set = owner.get("statefulSet") if isinstance(owner, Mapping) else None
    if isinstance(stateful_set, Mapping):
        return f"StatefulSet {stateful_set.get('namespace', '')}/{stateful_set.get('name', '')}"
    return f"an entry of phase {entry.get('phase', 'unknown')} without Pod"
