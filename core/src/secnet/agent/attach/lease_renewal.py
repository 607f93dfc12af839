"""Renewal of leases that expire: a step of every resync, over the attachments in the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from secnet.contract import Call, IpamLease, SecnetError

from ..base.logs import attachment_log
from ..model.record import Phase, Record
from ..state.journal import Journal
from .pipeline import Pipeline

__all__ = ["LeaseRenewal"]

_log = logging.getLogger(__name__)


class LeaseRenewal:
    """Renews what is due. A lease that cannot be renewed stops no other, and is tried again at the next resync.

    clock: seconds of Unix time, for a lease outlives the agent and the boot.
    """

    def __init__(self, pipeline: Pipeline, journal: Journal, clock: Callable[[], float] = time.time) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._clock = clock

    def renew_due(self, call: Call) -> None:
        """One round. Raises Timeout or Cancelled when the call ends before it."""
        for record in self._journal.records():
            lease, now = record.attachment.lease, self._clock()
            if record.phase != Phase.ATTACHED or lease is None or not _is_due(lease, now):
                continue
            call.checkpoint()
            self._renew(record, lease, now, call)

    def _renew(self, record: Record, lease: IpamLease, now: float, call: Call) -> None:
        log = attachment_log(record.attachment.request)
        try:
            if self._pipeline.renew_lease(record, call):
                log.info("the lease of the addresses is renewed")
        except SecnetError as exc:
            assert lease.expires_at is not None
            left = lease.expires_at - now
            state = f"ends in {left:.0f} s" if left > 0 else "has ended"
            log.warning(
                "the lease of the addresses %s and cannot be renewed: %s", state, exc, extra={"reason": exc.reason}
            )


def _is_due(lease: IpamLease, now: float) -> bool:
    return lease.expires_at is not None and (lease.renew_at is None or lease.renew_at <= now)
