"""Pools whose ranges overlap: what one has given away, another must not give on the same network (antrea#7306)."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from secnet.contract import InvalidConfig, ObjectNotFound

from .address_choice import AddressesInUse
from .entries import read_entries
from .pool import Pool, read_pool
from .store import PoolStore

__all__ = ["Neighbour", "addresses_in_use", "neighbours", "share_network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A pool with addresses in common. `certain`: the two are on one network for sure, not only by having no VLAN both."""

    name: str
    certain: bool


def share_network(one: Pool, other: Pool) -> bool:
    """Whether two pools say the same VLAN. Where both say none, their networks may still differ by the NADs' VLANs."""
    return one.family == other.family and one.vlan == other.vlan


def neighbours(pool: Pool, others: Iterable[Pool], listed: Set[str]) -> tuple[Neighbour, ...]:
    """The pools that overlap with `pool`. `listed`: the pools of the same NAD, which are one network whatever their VLANs."""
    found = []
    for other in others:
        together = other.family == pool.family and other.name in listed
        if other.name == pool.name or not (together or share_network(pool, other)):
            continue
        if pool.ranges.overlaps(other.ranges):
            found.append(Neighbour(name=other.name, certain=together or pool.vlan != 0))
    return tuple(found)


def addresses_in_use(store: PoolStore, around: Iterable[Neighbour], own: Set[int]) -> AddressesInUse:
    """What the neighbours have given away, read now. `own`: addresses that this lease holds otherwise."""
    certain, possible = set(own), set[int]()
    for neighbour in around:
        try:
            obj = store.get(neighbour.name)
            holders = read_entries(obj, read_pool(obj)).holders
        except (ObjectNotFound, InvalidConfig):
            continue  # gone or unreadable: it allocates no addresses any more
        (certain if neighbour.certain else possible).update(holders)
    return AddressesInUse(certain=certain, possible=possible)
