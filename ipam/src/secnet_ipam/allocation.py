"""One allocation out of IPPools: an address of each pool in the order of the NAD, all that is needed or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from secnet.contract import Busy, Call, IpamLease, IpamRequest, LeaseAddress, ObjectNotFound, SecnetError

from .address_choice import AddressChoice
from .config import IpamConfig
from .overlap import Neighbour, addresses_in_use, neighbours
from .pool import Pool, pool_name, pool_ref, read_pool, read_spec
from .requested import assign
from .store import PoolStore, owner_facts
from .subjects import blaming, network_subject, owner_subject
from .text import format_address

__all__ = ["Allocation"]

_UNDO_SECONDS = 5.0


class Allocation:
    """The work of one `allocate`. Used once."""

    def __init__(self, store: PoolStore, request: IpamRequest, config: IpamConfig, call: Call) -> None:
        self._store = store
        self._request = request
        self._config = config
        self._call = call
        self._choices: list[tuple[str, AddressChoice]] = []
        self._seen: dict[str, dict[str, Any]] = {}  # the pools as they were listed, until we wrote them

    def run(self) -> IpamLease:
        """Take the addresses. On an error whatever this call wrote is taken back before it is raised."""
        pools, others = self._read_pools()
        with blaming(owner_subject(self._request.owner)):
            requested_addresses = assign(self._request.ips, pools, self._config.addresses)
        try:
            given = self._take_all(pools, others, requested_addresses)
        except Exception:
            self._undo()
            raise
        used = [pool for pool in pools if pool.name in given]
        addresses = [
            LeaseAddress(
                address=pool.text(given[pool.name]),
                gateway=format_address(pool.family, pool.gateway),
                pool=pool.name,
            )
            for pool in used
        ]
        return IpamLease(
            owner=self._request.owner,
            addresses=(*addresses, *(static.lease for static in self._config.addresses)),
            routes=self._config.routes,
            dns=self._config.dns,
            vlans=tuple(dict.fromkeys(pool.vlan for pool in used if pool.vlan)),
        )

    def _read_pools(self) -> tuple[list[Pool], list[Pool]]:
        """The pools of the NAD in its order; these, and every other readable pool there is."""
        if not self._config.ippools:
            return [], []
        objects = self._store.all()
        listed = []
        for index, name in enumerate(self._config.ippools):
            try:
                found = objects.get(name) or self._store.get(name)
                listed.append(read_pool(found))
                self._seen[name] = found
            except ObjectNotFound as exc:
                raise ObjectNotFound(
                    f"IPPool {name} does not exist",
                    hint="create the IPPool, or correct its name in the NAD",
                    subject=network_subject(self._request.network),
                    path=f"$.ipam.ippools[{index}]",
                    waits_for=(pool_ref(name),),
                ) from exc
        read = (
            read_spec(obj, lambda finding: None)
            for obj in objects.values()
            if pool_name(obj) not in self._config.ippools
        )
        return listed, [*listed, *(pool for pool in read if pool is not None)]

    def _take_all(
        self, pools: Sequence[Pool], others: Sequence[Pool], requested_addresses: Mapping[str, int]
    ) -> dict[str, int]:
        given: dict[str, int] = {}
        refused: dict[int, list[str]] = {}
        awaited: dict[int, list[str]] = {}
        names = frozenset(pool.name for pool in pools)
        for pool in pools:
            own = {item.value for item in self._config.addresses if item.family == pool.family}
            around = neighbours(pool, others, names)
            choice = self._take(pool, requested_addresses.get(pool.name), around, own)
            if choice.address is None:
                refused.setdefault(pool.family, []).append(f"IPPool {pool.name} {choice.why_not}")
                awaited.setdefault(pool.family, []).extend((pool.name, *(item.name for item in around)))
            else:
                given[pool.name] = choice.address
        served = {pool.family for pool in pools if pool.name in given}
        for family, reasons in refused.items():
            if family not in served:
                raise Busy(
                    f"no IPv{family} address: {', '.join(reasons)}",
                    hint=f"add a range to an IPPool, or list one more IPv{family} pool in the NAD; it is tried again",
                    subject=network_subject(self._request.network),
                    path="$.ipam.ippools",
                    waits_for=tuple(pool_ref(name) for name in dict.fromkeys(awaited[family])),
                )
        return given

    def _take(
        self, pool: Pool, requested_address: int | None, around: Sequence[Neighbour], own: set[int]
    ) -> AddressChoice:
        attempt = 0
        while True:
            known = addresses_in_use(self._store, around, own)
            choice = AddressChoice(
                owner=self._request.owner,
                requested_address=requested_address,
                addresses_in_use=known,
                neighbours=tuple(item.name for item in around),
                call=self._call,
            )
            self._change(pool, choice)
            if not choice.wrote or not around:
                return choice
            # Two pools have no write in common, so two agents may give one address at once. Each looks again after its
            # write: the later one at least sees the other's, and gives way.
            now = addresses_in_use(self._store, around, own)
            if choice.address not in now.known - known.known:
                return choice
            self._store.drop(pool.name, self._request.owner, self._call)
            self._store.pause(self._call, attempt)
            attempt += 1

    def _change(self, pool: Pool, choice: AddressChoice) -> None:
        def facts() -> dict[str, str]:
            address = "" if choice.address is None else format_address(pool.family, choice.address)
            return {**owner_facts(choice.owner), "address": address}

        self._choices.append((pool.name, choice))
        seen = self._seen.pop(pool.name, None)
        self._store.change(pool.name, choice, "ippool.allocate", self._call, facts, seen=seen)

    def _undo(self) -> None:
        call = self._call.undo(_UNDO_SECONDS)
        # Only what this call wrote: an address from an earlier allocation may be in use.
        for name in dict.fromkeys(name for name, choice in self._choices if choice.wrote):
            try:
                self._store.drop(name, self._request.owner, call)
            except SecnetError as exc:
                call.log.warning("an address of IPPool %s could not be taken back, release must do it: %s", name, exc)
