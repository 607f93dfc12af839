"""ResyncScheduler of what callers of our CNI plugin made, network by network: CNI has them ask, and hardly any caller does.

What deviates is told and left alone: the caller knows its interfaces by what ADD answered. Addresses that a pool has lost are
listed again, as for every attachment.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from secnet.contract import AttachmentId, Call, ErrorInfo, Finding, PodRef, SecnetError, Timeout

from ..attach.drift import deviation
from ..attach.pipeline import Pipeline
from ..base.intervals import IntervalLimiter
from ..model.pod import PodKey
from ..model.record import Phase, Record
from ..model.report import SingleReport
from ..model.work import MakeCall
from ..state.journal import Journal
from ..state.reports import Reports
from ..status.failures import internal_error

__all__ = ["SingleChecks", "queue_key"]

_log = logging.getLogger(__name__)

_MAKE_ANEW = "whoever had it attached, such as Multus, does not mend it: delete the Pod, to have it made anew"

Hold = Callable[[PodKey, Call], AbstractContextManager[None]]


def queue_key(container_id: str, pod: PodRef | None) -> PodKey:
    """By what a sandbox is held in the queue; one that no Pod stands behind by itself."""
    return (pod.namespace, pod.name) if pod is not None else ("", container_id)


class SingleChecks:
    """Remembers what was found last. One thread calls it.

    hold: the queue's. lease_check_seconds: the least time between two checks of one lease, which may cost requests.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        reports: Reports,
        make_call: MakeCall,
        hold: Hold,
        lease_check_seconds: float = 0.0,
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._reports = reports
        self._make_call = make_call
        self._hold = hold
        self._lease_checks = IntervalLimiter(lease_check_seconds)
        self._lease_findings: dict[AttachmentId, tuple[Finding, ...]] = {}
        self._found: dict[AttachmentId, ErrorInfo] = {}

    def look(self, records: Iterable[Record], beat: Callable[[], None] = lambda: None) -> None:
        """Check these, which are all that there are, and write down what deviates. beat: called before each."""
        keys = set()
        for record in records:
            beat()
            keys.add(record.key)
            self._look_at(record)
        for key in {*self._found, *self._lease_findings} - keys:
            self._forget(key)
        self._reports.write_single(SingleReport(key=key, error=error) for key, error in self._found.items())

    def _look_at(self, record: Record) -> None:
        call = self._make_call(record.attachment.request, threading.Event())
        try:
            with self._hold(queue_key(record.key.container_id, record.pod), call):
                current = self._journal.get(record.key)
                if current is None or (current.phase, current.origin) != (Phase.ATTACHED, record.origin):
                    self._forget(record.key)
                    return
                found = self._check(current, call)
        except Timeout as exc:
            call.log.debug("not checked this time: %s", exc)
            return
        before = self._found.pop(record.key, None)
        if found is not None:
            self._found[record.key] = found
            if found != before:
                call.log.warning("the interface is not as recorded: %s", found.message)

    def _check(self, record: Record, call: Call) -> ErrorInfo | None:
        try:
            findings = self._pipeline.check(record, call).findings
            if self._lease_checks.is_due(record.key):
                self._lease_findings[record.key] = self._pipeline.check_lease(record, call)
        except SecnetError as exc:
            return exc.info
        except Exception as exc:
            call.log.exception("the check failed by a fault of the agent itself")
            return internal_error(exc)
        found = deviation(findings, self._lease_findings.get(record.key, ()))
        return (
            dataclasses.replace(found, hint=_MAKE_ANEW) if found is not None and found.reason == "Degraded" else found
        )

    def _forget(self, key: AttachmentId) -> None:
        self._found.pop(key, None)
        self._lease_findings.pop(key, None)
        self._lease_checks.forget(key)
