"""Renewal of leases that expire: a step of every resync, over the attachments in the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from secnet.contract import AttachmentId, Call, IpamLease, SecnetError, StepObserver

from ..base.logs import attachment_log
from ..model.record import Record
from ..state.journal import Journal
from .pipeline import Pipeline

__all__ = ["LeaseRenewal"]

_log = logging.getLogger(__name__)

_SECONDS = 10.0  # for one lease


class LeaseRenewal:
    """Renews what is due. A lease that cannot be renewed stops no other, and is tried again at the next resync.

    One thread calls it. observers: see every step, for tests. clock: seconds of Unix time, for a lease outlives the agent
    and the boot.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        observers: tuple[StepObserver, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._observers = observers
        self._clock = clock
        self._failed: dict[AttachmentId, float] = {}  # when that was

    def renew_due(self, call: Call) -> None:
        """One round. Raises Timeout or Cancelled when the call ends before it.

        What failed before comes last: a server that is away must not take the time of the leases of others.
        """
        records = self._journal.records()
        self._failed = {record.key: self._failed[record.key] for record in records if record.key in self._failed}
        for record in sorted(records, key=lambda record: self._failed.get(record.key, 0.0)):
            lease, now = record.attachment.lease, self._clock()
            if not record.living or lease is None or not _is_due(lease, now):
                continue
            self._renew(record, lease, now, call)

    def _renew(self, record: Record, lease: IpamLease, now: float, round_call: Call) -> None:
        log = attachment_log(record.attachment.request)
        seconds = round_call.remaining(_SECONDS)
        call = Call.within(seconds, cancel=round_call.cancel, log=log, observers=self._observers)
        try:
            if self._pipeline.renew_lease(record, call):
                log.info("the lease of the addresses is renewed")
            self._failed.pop(record.key, None)
        except SecnetError as exc:
            self._failed[record.key] = now
            assert lease.expires_at is not None
            left = lease.expires_at - now
            state = f"ends in {left:.0f} s" if left > 0 else "has ended"
            log.warning(
                "the lease of the addresses %s and cannot be renewed: %s", state, exc, extra={"reason": exc.reason}
            )


def _is_due(lease: IpamLease, now: float) -> bool:
    return lease.expires_at is not None and (lease.renew_at is None or lease.renew_at <= now)
