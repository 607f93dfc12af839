"""The addresses of attachments: allocated by the IPAM backend, released, and compared with what its pools list later."""

from __future__ import annotations

import dataclasses

from secnet.contract import (
    AttachmentId,
    AttachRequest,
    Busy,
    Call,
    Conflict,
    Finding,
    IpamLease,
    IpamRequest,
    SecnetError,
)

from ..model.record import Record
from ..state.journal import Journal
from .lease_evidence import Recorder
from .lease_gc import LeaseGarbageCollector
from .lease_ledgers import LeaseLedger
from .plugin_calls import Plugins

__all__ = ["Leases"]


class Leases:
    """Calls the backends. Thread-safe for different attachments. An attachment without IPAM has no lease, and costs nothing.

    ledger: learns of each sandbox before it gets an address. lease_gc: releases what blocks an allocation.
    """

    def __init__(
        self,
        plugins: Plugins,
        journal: Journal,
        *,
        ledger: LeaseLedger | None = None,
        lease_gc: LeaseGarbageCollector | None = None,
    ) -> None:
        self._plugins = plugins
        self._journal = journal
        self._ledger = ledger
        self._lease_gc = lease_gc

    def allocate(
        self, request: IpamRequest | None, ipam_type: str | None, attach: AttachRequest, call: Call
    ) -> IpamLease | None:
        """Take addresses for the interface that `attach` asks for.

        Raises Busy when a pool gives one that another attachment of this node uses. What sandboxes that ended left in the pools,
        as before a reboot, is released where it blocks.
        """
        if request is None or ipam_type is None:
            return None
        if self._ledger is not None:
            self._ledger.add(attach)
        try:
            lease = self._ask(request, ipam_type, call)
        except (Busy, Conflict) as exc:
            self._make_way(request, ipam_type, exc, call)
            lease = self._ask(request, ipam_type, call)
        self._refuse_doubled(request, ipam_type, lease, call)
        return lease

    def release(self, record: Record, call: Call) -> None:
        """Give the addresses of an attachment back; not those that another agent took for a sandbox of the same id."""
        if record.ipam is None or record.ipam_type is None:
            return
        if self._ledger is not None and self._ledger.recorder(record.key.container_id) is Recorder.OTHER_AGENT:
            return
        self._plugins.backend(record.ipam_type).release(record.ipam, call)

    def renew(self, record: Record, call: Call) -> IpamLease | None:
        """The lease of an attachment with a later end; None for an attachment without one."""
        lease = record.attachment.lease
        if record.ipam is None or record.ipam_type is None or lease is None:
            return None
        return self._plugins.backend(record.ipam_type).renew(lease, record.ipam.config, call)

    def check(self, record: Record, call: Call) -> tuple[Finding, ...]:
        """Whether the pools still list the addresses for this attachment; a new attach would not repair that.

        If a pool was created again without its entries, the addresses in use are entered again.
        """
        lease = record.attachment.lease
        if record.ipam is None or record.ipam_type is None or lease is None:
            return ()
        report = self._plugins.backend(record.ipam_type).check(lease, record.ipam.config, call)
        if report.clean or "ips" not in self._plugins.backend_plugin(record.ipam_type).info.capabilities:
            return report.findings
        pooled = tuple(item.address for item in lease.addresses if item.pool)
        in_use = pooled or tuple(item.address for item in lease.addresses)  # not every backend has pools with names
        try:
            self._ask(dataclasses.replace(record.ipam, ips=in_use), record.ipam_type, call)
        except SecnetError as exc:
            return (*report.findings, Finding(code="LeaseLost", message=str(exc), repairable=False))
        call.log.warning("the pools had lost the addresses of this interface; they are listed again")
        return ()

    def _ask(self, request: IpamRequest, ipam_type: str, call: Call) -> IpamLease:
        return self._plugins.backend(ipam_type).allocate(request, call)

    def _make_way(self, request: IpamRequest, ipam_type: str, error: SecnetError, call: Call) -> None:
        """Release what is stale, or raise the error that an allocation met."""
        if self._lease_gc is None:
            raise error
        reclaimed = self._lease_gc.reclaim(request, ipam_type, call)
        if reclaimed.released:
            return
        if not reclaimed.hint:
            raise error
        raise Busy(
            error.message,
            hint=reclaimed.hint,
            subject=error.subject,
            path=error.path,
            waits_for=error.waits_for,
        ) from error

    def _refuse_doubled(self, request: IpamRequest, ipam_type: str, lease: IpamLease, call: Call) -> None:
        """A store that lost its entries gives living addresses away: the journal knows better, and has them listed again."""
        own = AttachmentId(container_id=request.owner.container_id, ifname=request.owner.ifname)
        for item in lease.addresses:
            holder = self._journal.holder_of_address(item.address, item.pool, besides=own)
            if holder is not None:
                self._plugins.backend(ipam_type).release(request, call)
                self.check(holder, call)
                raise Busy(
                    f"the pool {item.pool} gave {item.address}, which Pod {holder.pod} interface {holder.key.ifname} still uses",
                    hint="the pool had lost its entry; it is listed again, and this is tried again",
                )
