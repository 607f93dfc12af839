"""The backend of `ipam.type: node-local`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from secnet.contract import (
    ADDRESS_OF_ANOTHER,
    BackendInfo,
    Busy,
    Call,
    CheckReport,
    Conflict,
    Finding,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseAddress,
    ProbeReport,
    SecnetError,
    load_fragment,
)

from .config import Address, Plan, read_config, read_requested
from .ledger import FOLDER, Ledger, held_in, same_owner, subnets

__all__ = ["NodeLocalBackend"]

_UNDO_SECONDS = 5.0


class NodeLocalBackend(IPAMBackend):
    """The lowest free address of the range, or those that the Pod insists on. Another node knows nothing of it."""

    @classmethod
    def describe(cls) -> BackendInfo:
        """What this backend is."""
        return BackendInfo(
            ipam_type="node-local",
            summary="addresses of a subnet for the Pods of this node, recorded on the node",
            config=load_fragment("secnet_nodelocal", "config.json"),
            capabilities=frozenset({"ips"}),
            example={
                "subnet": "10.9.0.0/24",
                "rangeStart": "10.9.0.10",
                "rangeEnd": "10.9.0.99",
                "gateway": "10.9.0.1",
            },
        )

    def probe(self) -> ProbeReport:
        """Ready when the run directory can be written."""
        run_dir = self.host.run_dir
        if not run_dir.is_dir():
            return ProbeReport(ready=False, message=f"there is no run directory {run_dir}: the agent makes it")
        if not os.access(run_dir, os.W_OK | os.X_OK):
            return ProbeReport(ready=False, message=f"the run directory {run_dir} cannot be written: run as root")
        return ProbeReport(ready=True)

    def validate(self, config: Mapping[str, Any]) -> None:
        """Refuse what is no subnet, a range or a gateway outside of it, and a range without an address."""
        read_config(config)

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        """Give what the owner has, else the lowest free address; or exactly the addresses that the Pod insists on."""
        plan = read_config(request.config)
        requested = read_requested(request.ips, plan)
        ledger = Ledger(self._root, plan.subnet)
        with ledger.locked(call):
            entries = ledger.entries()
            held = held_in(entries, request.owner)
            given = self._choose(entries, plan, request.owner, requested, held)
            if set(given) - set(held):
                self._require_no_overlap(ledger)
            self._write(ledger, request.owner, given, held, call)
        return IpamLease(
            owner=request.owner,
            addresses=tuple(_lease_address(plan, address) for address in given),
            routes=plan.routes,
        )

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        """Whether each address is still written down for the owner."""
        ledgers = {str(ledger.subnet): ledger for ledger in subnets(self._root)}
        findings = []
        for item in lease.addresses:
            plain = item.address.partition("/")[0]
            ledger = ledgers.get(item.pool or "")
            holders = {str(address): holder for address, holder in ledger.entries().items()} if ledger else {}
            if plain not in holders:
                findings.append(
                    Finding(code="LeaseMissing", message=f"{plain} of {item.pool} is not recorded any more")
                )
            elif not same_owner(holders[plain], lease.owner):
                findings.append(
                    Finding(code=ADDRESS_OF_ANOTHER, message=f"{plain} is recorded for {_who(holders[plain])}")
                )
        return CheckReport(findings=tuple(findings))

    def release(self, request: IpamRequest, call: Call) -> None:
        """Give back what the owner has in any subnet: the NAD may have been edited since."""
        for ledger in subnets(self._root):
            if ledger.held_by(request.owner):
                with ledger.locked(call):
                    for address in ledger.held_by(request.owner):
                        ledger.drop(address, request.owner, call)

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        """Every lease on this node. Gateway and routes stand in the NAD, not in the record."""
        leases: dict[tuple[str, str], IpamLease] = {}
        for ledger in subnets(self._root):
            for address, owner in sorted(ledger.entries().items(), key=lambda entry: int(entry[0])):
                if owner is not None:
                    found = leases.get((owner.container_id, owner.ifname), IpamLease(owner=owner))
                    subnet = ledger.subnet
                    item = LeaseAddress(address=f"{address}/{subnet.prefixlen}", pool=str(subnet))
                    leases[owner.container_id, owner.ifname] = IpamLease(
                        owner=owner, addresses=(*found.addresses, item)
                    )
        return tuple(leases.values())

    @property
    def _root(self) -> Path:
        return self.host.run_dir / FOLDER

    def _require_no_overlap(self, ledger: Ledger) -> None:
        """Raise Conflict if another subnet, of which somebody has an address, holds addresses of this one."""
        for other in subnets(self._root):
            if other.subnet != ledger.subnet and other.subnet.overlaps(ledger.subnet) and any(other.entries().values()):
                raise Conflict(
                    f"the subnet {ledger.subnet} overlaps {other.subnet}, which is in use on this node",
                    hint="give both networks the same subnet, or subnets apart",
                    subject=f"subnet {ledger.subnet}",
                )

    def _choose(
        self,
        taken: Mapping[Address, IpamOwner | None],
        plan: Plan,
        owner: IpamOwner,
        requested: Sequence[Address],
        held: Sequence[Address],
    ) -> list[Address]:
        for address in requested:
            if address in taken and address not in held:
                raise _taken(address, taken[address], owner)
        if requested:
            return list(requested)
        # What lies outside of a range that was edited is given up.
        kept = [address for address in held if address in plan]
        if kept:
            return kept
        free = plan.lowest_free(taken)
        if free is None:
            raise Busy(
                f"all {plan.size} addresses of {plan.subnet} for this node are taken",
                hint="widen rangeStart to rangeEnd in the NAD, or remove a Pod; it is tried again",
                subject=f"subnet {plan.subnet}",
            )
        return [free]

    def _write(
        self, ledger: Ledger, owner: IpamOwner, given: Sequence[Address], held: Sequence[Address], call: Call
    ) -> None:
        """Make it so: new ones first. What a failure leaves is taken back."""
        begun: list[Address] = []
        try:
            for address in given:
                if address not in held:
                    call.checkpoint()
                    begun.append(address)
                    ledger.take(address, owner, call)
            if begun:  # again: whoever writes in the other subnet holds another lock, and one of the two sees the other
                self._require_no_overlap(ledger)
            for address in held:
                if address not in given:
                    ledger.drop(address, owner, call)
        except Exception:
            self._undo(ledger, owner, begun, call.undo(_UNDO_SECONDS))
            raise

    def _undo(self, ledger: Ledger, owner: IpamOwner, begun: Sequence[Address], call: Call) -> None:
        for address in begun:
            try:
                ledger.drop(address, owner, call)
            except SecnetError as exc:
                call.log.warning("%s could not be taken back, release must do it: %s", address, exc)


def _lease_address(plan: Plan, address: Address) -> LeaseAddress:
    gateway = str(plan.gateway) if plan.gateway else None
    return LeaseAddress(address=plan.text(address), gateway=gateway, pool=str(plan.subnet))


def _taken(address: Address, holder: IpamOwner | None, owner: IpamOwner) -> Busy | Conflict:
    """Conflict, unless an earlier sandbox of the same Pod has it, which is on its way out."""
    message = f"{address} was requested, but {_who(holder)} has it"
    mine, theirs = owner.pod, holder.pod if holder else None
    if mine and theirs and (mine.namespace, mine.name) == (theirs.namespace, theirs.name):
        return Busy(message, hint="it comes free when the earlier sandbox or interface of this Pod is removed")
    return Conflict(message, hint="ask for another address, or remove the holder")


def _who(owner: IpamOwner | None) -> str:
    if owner is None:
        return "something that is no lease"
    who = f"Pod {owner.pod}" if owner.pod else f"sandbox {owner.container_id}"
    return f"{who} interface {owner.ifname}"
