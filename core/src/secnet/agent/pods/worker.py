"""One policy for every attachment: the asynchronous sync, the chained CNI ADD and the single CNI ADD all work through it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from secnet.contract import (
    AttachmentId,
    Busy,
    Call,
    CheckReport,
    ErrorInfo,
    Finding,
    SecnetError,
    StepObserver,
    VerifyFailed,
)

from ..attach.drift import drift_error, in_words
from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.pipeline import Pipeline, repairable
from ..attach.repair_backoff import RepairBackoff
from ..base.intervals import IntervalLimiter
from ..base.logs import attachment_log, mark_logged
from ..base.metrics import Metrics
from ..model.problem import InternalError
from ..model.record import Phase, Record
from ..model.work import Work
from ..state.journal import Journal

__all__ = ["AttachmentWorker"]

_SETTLE_SECONDS = 0.5


class AttachmentWorker:
    """Attaches, checks and detaches. Thread-safe for different Pods; the caller holds the Pod in the queue.

    Every method raises only SecnetError, and logs what it did or why it failed; a fault of the agent itself becomes an
    InternalError.

    seconds: the deadline of each operation. observers: see every step, for tests. lease_check_seconds: the least time between
    two checks of one lease, which may cost a request to an API server. metrics: counts repairs; None for none. cut_off: why an
    interface that is as it was attached has no connection, None if it has.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        orphan_gc: OrphanGarbageCollector,
        seconds: float,
        observers: tuple[StepObserver, ...] = (),
        lease_check_seconds: float = 0.0,
        metrics: Metrics | None = None,
        cut_off: Callable[[AttachmentId], ErrorInfo | None] = lambda key: None,
    ) -> None:
        self._cut_off = cut_off
        self._pipeline = pipeline
        self._journal = journal
        self._orphan_gc = orphan_gc
        self._seconds = seconds
        self._observers = observers
        self._lease_checks = IntervalLimiter(lease_check_seconds)
        self._lease_findings: dict[AttachmentId, tuple[Finding, ...]] = {}  # of the last check of the lease
        self._drift: dict[AttachmentId, ErrorInfo] = {}  # of the last check, until the next one
        self._in_use: dict[AttachmentId, str] = {}  # the same
        self._failed: dict[AttachmentId, ErrorInfo] = {}  # of the last repair that failed
        self._backoff = RepairBackoff()
        self._metrics = metrics or Metrics()

    def call(self, work: Work | Record, cancel: threading.Event | None = None, *, awaited: bool = True) -> Call:
        """The operation context for one attachment: its deadline, its log, its observers. awaited: see `Call`."""
        request = work.request if isinstance(work, Work) else work.attachment.request
        return Call.within(
            self._seconds,
            cancel=cancel or threading.Event(),
            log=attachment_log(request),
            observers=self._observers,
            awaited=awaited,
        )

    def attach(self, work: Work, cancel: threading.Event, *, awaited: bool = True) -> Record:
        """Make one attachment, or leave nothing of it. awaited: whether containers wait for it, see `Call`."""
        call = self.call(work, cancel, awaited=awaited)
        with _logged("attach", call):
            self._make_room(work, call)
            record = self._pipeline.attach(work, call)
        call.log.info("attached")
        return record

    def plan(self, work: Work, cancel: threading.Event) -> Record:
        """Plan one attachment and record the plan: `finish` makes it, `detach` drops it. Nothing on the host changes."""
        call = self.call(work, cancel)
        with _logged("attach", call):
            self._make_room(work, call)
            return self._pipeline.plan(work, call)

    def finish(self, planned: Record, cancel: threading.Event) -> Record:
        """Make what was planned, or leave nothing of it."""
        call = self.call(planned, cancel)
        with _logged("attach", call):
            record = self._pipeline.finish(planned, call)
        call.log.info("attached")
        return record

    def detach(self, record: Record, cancel: threading.Event | None = None) -> None:
        """Remove an attachment in any phase. On error its record stays, and it can be repeated."""
        self.forget(record.key)
        call = self.call(record, cancel)
        with _logged("detach", call):
            self._pipeline.detach(record, call)
        call.log.info("detached")

    def drift_of(self, key: AttachmentId) -> ErrorInfo | None:
        """How the attachment drifted from its record, by the last check, or what of the node cuts it off; None without either."""
        return self._drift.get(key) or self.cut_off_by(key)

    def cut_off_by(self, key: AttachmentId) -> ErrorInfo | None:
        """Which part of the node cuts the interface off; None if none does."""
        return self._cut_off(key)

    def in_use(self, key: AttachmentId) -> str:
        """How the Pod itself uses the interface, by the last check; see `CheckReport`."""
        return self._in_use.get(key, "")

    def check(self, record: Record, *, repair: bool = False) -> Record:
        """Compare an attachment with its record, and its lease with the pools; `drift_of` and `in_use` give the result.

        repair: whether what drifted is repaired from the record. Returns the record, which is a new one after a repair.
        """
        before = self._drift.pop(record.key, None)
        call = self.call(record)
        with _logged("check", call, level=logging.DEBUG):  # the report shows it, each round would log it again
            report = self._pipeline.check(record, call)
            wait, failed = 0.0, None
            if repair and (record.phase == Phase.REPAIRING or repairable(record, report.findings)):
                report = self._look_again(record, report, call)
                self._in_use[record.key] = report.in_use
                unfinished = record.phase == Phase.REPAIRING
                if unfinished or repairable(record, report.findings):
                    wait = self._backoff.wait(record.key, report.findings)
                    if not wait:
                        return self._repair(record, report.findings, call)
                    failed = self._failed.get(record.key) if unfinished else None
            self._in_use[record.key] = report.in_use
            if self._lease_checks.is_due(record.key):
                self._lease_findings[record.key] = self._pipeline.check_lease(record, call)
        found = failed or drift_error(report.findings, self._lease_findings.get(record.key, ()), wait)
        if found is not None:
            self._drift[record.key] = found
            if found.message != (before.message if before is not None else ""):
                call.log.warning("the interface drifted from its record: %s", found.message)
        return record

    def _look_again(self, record: Record, report: CheckReport, call: Call) -> CheckReport:
        """What is found on the Pod's side must last a moment: a launcher that takes the interface over does so step by step."""
        if not any(finding.in_pod for finding in report.findings):
            return report
        call.sleep(_SETTLE_SECONDS)
        return self._pipeline.check(record, call)

    def _repair(self, record: Record, findings: Sequence[Finding], call: Call) -> Record:
        count = self._backoff.count(record.key, findings) + 1
        often = f" (repair {count} in a row)" if count > 1 else ""
        what = in_words(findings) or "an earlier repair did not end"
        call.log.warning("the interface drifted from its record, it is repaired%s: %s", often, what)
        try:
            with _logged("repair", call):
                repaired = self._pipeline.repair(record, call)
        except SecnetError as exc:
            if not exc.retryable or isinstance(exc, VerifyFailed):  # else it could not begin, and is soon tried again
                self._backoff.note(record.key, findings)
                self._failed[record.key] = exc.info
            raise
        self._backoff.note(record.key, findings)
        self._metrics.on_repair(record.network_type)
        call.log.info("repaired")
        return repaired

    def check_lease(self, record: Record) -> tuple[Finding, ...]:
        """Compare the lease alone with the pools."""
        return self._pipeline.check_lease(record, self.call(record))

    def findings(self, record: Record) -> tuple[Finding, ...]:
        """Compare the host alone with the record, for a caller who asks now."""
        return self._pipeline.check(record, self.call(record)).findings

    def forget(self, key: AttachmentId) -> None:
        """Drop what the checks of an attachment left."""
        self._drift.pop(key, None)
        self._in_use.pop(key, None)
        self._failed.pop(key, None)
        self._backoff.forget(key)
        self._lease_findings.pop(key, None)
        self._lease_checks.forget(key)

    def _make_room(self, work: Work, call: Call) -> None:
        self._orphan_gc.before_attach(work.request, call)
        if self._journal.get(work.key) is not None:
            raise Busy("an older attachment of this interface is not removed yet", hint="it is tried again")


@contextmanager
def _logged(operation: str, call: Call, *, level: int = logging.WARNING) -> Iterator[None]:
    try:
        yield
    except SecnetError as exc:
        call.log.log(level, "%s failed: %s", operation, exc, extra={"reason": exc.reason})
        mark_logged(exc)
        raise
    except Exception as exc:
        call.log.exception("%s failed by a fault of the agent itself", operation)
        raise InternalError(exc) from exc
