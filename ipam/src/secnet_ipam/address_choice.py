"""Which address of a pool an owner gets: one decision on one fresh object."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import Busy, Call, Conflict, IpamOwner

from .entries import Entries, entry_findings, entry_of, read_entries, read_owner, with_entries
from .pool import pool_ref, read_pool
from .subjects import pool_subject
from .text import format_address

__all__ = ["AddressesInUse", "AddressChoice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesInUse:
    """Addresses that other pools with overlapping ranges have given away, or this lease already holds.

    certain: in use on the same network. possible: in use on a network that may be the same (pools without a VLAN).
    """

    certain: Set[int] = frozenset()
    possible: Set[int] = frozenset()

    @property
    def known(self) -> Set[int]:
        """Both."""
        return self.certain | self.possible


@dataclass(kw_only=True)
class AddressChoice:
    """Takes one address for one owner; made for one `PoolStore.change`.

    requested_address: the address that the Pod insists on, or None for the lowest free one.
    neighbours: names of the pools that `addresses_in_use` was read from.
    address, why_not: what was decided on the last object seen; without an address, why the pool has none to give.
    wrote: whether a change was asked for, so that undoing must look.
    """

    owner: IpamOwner
    requested_address: int | None
    addresses_in_use: AddressesInUse
    call: Call
    neighbours: tuple[str, ...] = ()
    address: int | None = None
    why_not: str = ""
    wrote: bool = False
    _reported: bool = field(default=False, repr=False)

    def __call__(self, obj: dict[str, Any]) -> dict[str, Any] | None:
        """The object with the owner's entry, or None when there is nothing to write."""
        pool = read_pool(obj)
        entries = read_entries(obj, pool)
        self._report(obj, entries)
        held = [address for address in entries.held_by(self.owner) if self.requested_address in (None, address)]
        if held:
            self.address = held[0]
            return None
        self.address = self._free(entries)
        if self.address is None:
            return None
        self.wrote = True
        # Whatever else the owner had here gives way: an owner holds one address of a pool.
        kept = entries.without_owner(self.owner)
        return with_entries(obj, [*kept, entry_of(pool, self.address, self.owner)], pool)

    def _free(self, entries: Entries) -> int | None:
        pool = entries.pool
        if self.requested_address is not None:
            return self._requested(entries, self.requested_address)
        if pool.deleting:
            self.why_not = "is being deleted"
            return None
        free = pool.usable.without(entries.holders).without(self.addresses_in_use.certain)
        lowest = free.without(self.addresses_in_use.possible).lowest
        if lowest is None and free.lowest is not None:
            self.call.log.warning(
                "%s has only addresses left that another pool without VLAN has given away too; if the two are one network,"
                " make their ranges disjoint",
                pool_subject(pool.name),
            )
        if free.lowest is None:
            self.why_not = f"has none of its {pool.usable.size} addresses free"
        return free.lowest if lowest is None else lowest

    def _requested(self, entries: Entries, requested_address: int) -> int:
        pool = entries.pool
        text = format_address(pool.family, requested_address)
        if pool.deleting:
            hint = "it gives no new addresses; use another pool, or create it again once it is gone"
            raise Busy(
                f"{text} was requested of a pool that is being deleted",
                hint=hint,
                subject=pool_subject(pool.name),
                waits_for=(pool_ref(pool.name),),
            )
        if requested_address in entries.holders:
            raise self._taken(text, entries, requested_address)
        if requested_address in self.addresses_in_use.certain:
            message = f"{text} was requested, but it is in use in another pool of the same network"
            raise Conflict(
                message,
                hint="ask for another address",
                subject=pool_subject(pool.name),
                waits_for=tuple(pool_ref(name) for name in (pool.name, *self.neighbours)),
            )
        return requested_address

    def _taken(self, text: str, entries: Entries, requested_address: int) -> Busy | Conflict:
        """Conflict, unless the holder is an earlier sandbox of the same Pod: that one is on its way out."""
        message = f"{text} was requested, but {entries.holder_text(requested_address)} holds it"
        name, awaited = pool_subject(entries.pool.name), (pool_ref(entries.pool.name),)
        holder, own = read_owner(entries.holders[requested_address]), self.owner.pod
        if holder and holder.pod and own and (holder.pod.namespace, holder.pod.name) == (own.namespace, own.name):
            hint = "it comes free when the earlier sandbox or interface of this Pod is removed"
            return Busy(message, hint=hint, subject=name, waits_for=awaited)
        hint = "ask for another address, or remove the holder"
        return Conflict(message, hint=hint, subject=name, waits_for=awaited)

    def _report(self, obj: dict[str, Any], entries: Entries) -> None:
        if self._reported or len(entries.raw) == len(entries.holders):
            return
        self._reported = True
        for finding in entry_findings(obj, entries.pool):
            name = pool_subject(entries.pool.name)
            self.call.log.warning("%s: %s: %s; %s", name, finding.path, finding.message, finding.hint)
