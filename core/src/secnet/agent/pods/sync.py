"""Make one Pod's networks as its annotation says, and report what became of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from secnet.contract import (
    ADDRESS_OF_ANOTHER,
    AttachmentId,
    Busy,
    ErrorInfo,
    Finding,
    Gone,
    SecnetError,
)

from ..attach.drift import deviation, in_words
from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.pipeline import Pipeline
from ..base.intervals import IntervalLimiter
from ..devices import DeviceAllocator
from ..model.pod import is_finished, pod_ref
from ..model.record import Phase, Record
from ..model.report import FAILED, PENDING, NetworkReport, PodReport, SyncResult, network_report
from ..model.sandbox import Sandbox, SandboxSource
from ..model.selection import Selection, SelectionId
from ..model.work import Changes, Ignored, MakeCall, Rejected, Work
from ..networks.desired import DesiredNetworks, selections_of
from ..networks.requests import is_outdated
from ..sandboxes.monitor import lives, outliving
from ..sandboxes.ownership import NetnsOwnership
from ..state.journal import Journal
from ..status.failures import failed_report, fault_report, gone_report, internal_error, outlived_error, rejected_report

__all__ = ["PodSync"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """What happened to each element during one sync; local to one call."""

    networks: dict[SelectionId, NetworkReport] = field(default_factory=dict)
    leftovers: list[NetworkReport] = field(default_factory=list)
    made: list[Record] = field(default_factory=list)


class PodSync:
    """See the module. Thread-safe for different Pods; the caller never runs one Pod twice at once.

    lease_check_seconds: the least time between two checks of one lease, which may cost a request to an API server.
    awaited: whether containers wait for what is attached here; see `Call`.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        desired: DesiredNetworks,
        devices: DeviceAllocator,
        source: SandboxSource,
        ownership: NetnsOwnership,
        orphan_gc: OrphanGarbageCollector,
        make_call: MakeCall,
        lease_check_seconds: float = 0.0,
        awaited: bool = True,
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._desired = desired
        self._devices = devices
        self._source = source
        self._ownership = ownership
        self._orphan_gc = orphan_gc
        self._make_call = make_call
        self._awaited = awaited
        self._lease_checks = IntervalLimiter(lease_check_seconds)
        self._outlived: set[tuple[str, str]] = set()  # told of in the log
        self._lease_findings: dict[AttachmentId, tuple[Finding, ...]] = {}  # of the last check of the lease
        self._degraded: dict[AttachmentId, ErrorInfo] = {}  # what the last check found, shown until the next one

    def sync(
        self, key: tuple[str, str], pod: Mapping[str, Any] | None, cancel: threading.Event, *, verify: bool = False
    ) -> SyncResult:
        """Bring one Pod up to date. Never raises an Exception: what went wrong stands in the report."""
        try:
            return self._sync(key, pod, cancel, verify)
        except Exception as exc:
            _log.exception("Pod %s/%s cannot be brought up to date by a fault of the agent itself", *key)
            records = self._journal.of_pod(*key)
            ref = pod_ref(pod) if pod is not None else next((record.pod for record in records), None)
            return SyncResult(report=fault_report(ref, records, exc) if ref is not None else None, records=records)

    def _sync(
        self, key: tuple[str, str], pod: Mapping[str, Any] | None, cancel: threading.Event, verify: bool
    ) -> SyncResult:
        records = self._journal.of_pod(*key)
        if pod is None or is_finished(pod):
            return self._remove_pod(key, records, absent=pod is None, verify=verify)
        self._outlived.discard(key)
        ref = pod_ref(pod)
        generation = int(pod["metadata"].get("generation") or 0)
        base = PodReport(pod=ref, generation=generation)
        try:
            selections = selections_of(pod)
        except SecnetError as exc:
            return self._stand_still(base, records, exc, ())
        if not selections and not records:
            return SyncResult(report=None, released=frozenset(self._ownership.release(key)))
        released: set[tuple[str, str]] = set()
        try:
            sandbox = self._source.resolve(pod, now=not verify)
            self._leave_old(records, sandbox)
            records = self._journal.of_pod(*key)
            released |= self._ownership.release(key, keep=sandbox.netns)
            self._ownership.claim(sandbox.netns, key)
        except SecnetError as exc:
            still = self._stand_still(base, self._journal.of_pod(*key), exc, selections)
            if not self._journal.of_pod(*key):
                released |= self._ownership.release(key)
            return replace(still, released=frozenset(released))
        progress = _Progress()
        changes = self._desired.changes(selections, records, ref, sandbox)
        changes = self._devices.assign(pod, changes, sandbox.container_id)
        self._apply(changes, progress, cancel, verify)
        order = [named.selection_id for named in self._desired.named(selections, records, sandbox)]
        networks = tuple(progress.networks[element] for element in order if element in progress.networks)
        report = PodReport(
            pod=ref,
            generation=generation,
            container_id=sandbox.container_id,
            netns=sandbox.netns.path,
            networks=networks + tuple(progress.leftovers),
        )
        return SyncResult(
            report=report,
            records=self._journal.of_pod(*key),
            released=frozenset(released),
            made=tuple(progress.made),
        )

    def _leave_old(self, records: tuple[Record, ...], sandbox: Sandbox) -> None:
        """Remove what stands in another namespace, before the claim on that one is given up to somebody else."""
        for record in records:
            if record.key.container_id != sandbox.container_id and (error := self._detach(record)) is not None:
                raise Busy(
                    f"its interface {record.key.ifname} in {record.attachment.request.netns.path} is not removed yet: {error}"
                )

    def _apply(self, changes: Changes, progress: _Progress, cancel: threading.Event, verify: bool) -> None:
        for record in changes.remove:
            error = self._detach(record)
            if error is not None:
                progress.leftovers.append(network_report(self._journal.get(record.key) or record, error))
        for record, outcome in changes.keep:
            progress.networks[record.selection_id] = self._keep(record, outcome, cancel, verify)
        for refused in changes.rejected:
            progress.networks[refused.selection_id] = rejected_report(refused)
        for work in changes.attach:
            progress.networks[work.selection_id] = self._attach(work, progress, cancel)

    def _attach(self, work: Work, progress: _Progress, cancel: threading.Event) -> NetworkReport:
        call = self._make_call(work.request, cancel, awaited=self._awaited)
        try:
            self._orphan_gc.before_attach(work.request, call)
            if self._journal.get(work.key) is not None:
                raise Busy("an older attachment of this interface is not removed yet", hint="it is tried again")
            record = self._pipeline.attach(work, call)
        except SecnetError as exc:
            call.log.warning("attach failed: %s", exc, extra={"reason": exc.reason})
            return failed_report(work, exc.info)
        except Exception as exc:
            call.log.exception("attach failed by a fault of the agent itself")
            return failed_report(work, internal_error(exc))
        call.log.info("attached")
        progress.made.append(record)
        return network_report(record)

    def _keep(
        self, record: Record, outcome: Work | Rejected | Ignored, cancel: threading.Event, verify: bool
    ) -> NetworkReport:
        error = outcome.error.info if isinstance(outcome, Rejected) else None
        outdated = isinstance(outcome, Work) and is_outdated(record, outcome)
        if not verify:
            return network_report(record, error or self._degraded.get(record.key), outdated=outdated)
        self._degraded.pop(record.key, None)
        call = self._make_call(record.attachment.request, cancel)
        try:
            findings = self._pipeline.check(record, call).findings
            if findings and isinstance(outcome, Work) and all(finding.repairable for finding in findings):
                call.log.warning("the interface is not as recorded, and is made anew: %s", in_words(findings))
                return network_report(self._pipeline.repair(record, outcome, call))
            if self._lease_checks.is_due(record.key):
                self._lease_findings[record.key] = self._pipeline.check_lease(record, call)
            found = deviation(findings, self._lease_findings.get(record.key, ()))
            if found is None:
                return network_report(record, error, outdated=outdated)
            call.log.warning("the interface is not as recorded: %s", found.message)
            self._degraded[record.key] = found
            return network_report(record, found)
        except SecnetError as exc:
            return self._report_of(record, exc.info)
        except Exception as exc:
            call.log.exception("the check failed by a fault of the agent itself")
            return self._report_of(record, internal_error(exc))

    def _report_of(self, record: Record, error: ErrorInfo) -> NetworkReport:
        current = self._journal.get(record.key)
        return network_report(current, error) if current else gone_report(record, error)

    def _detach(self, record: Record) -> ErrorInfo | None:
        self._degraded.pop(record.key, None)
        self._lease_findings.pop(record.key, None)
        self._lease_checks.forget(record.key)
        call = self._make_call(record.attachment.request, threading.Event())
        try:
            self._pipeline.detach(record, call)
        except SecnetError as exc:
            call.log.warning("detach failed: %s", exc, extra={"reason": exc.reason})
            return exc.info
        except Exception as exc:
            call.log.exception("detach failed by a fault of the agent itself")
            return internal_error(exc)
        call.log.info("detached")
        return None

    def _remove_pod(
        self, key: tuple[str, str], records: tuple[Record, ...], *, absent: bool, verify: bool
    ) -> SyncResult:
        kept = outliving(records, self._source) if absent else ()
        if verify:
            kept = tuple(record for record in kept if not self._has_lost_address(record))
        if kept and key not in self._outlived:
            _log.warning(
                "Pod %s/%s is gone from the API and its sandbox lives on: its networks stay until that ends", *key
            )
        (self._outlived.add if kept else self._outlived.discard)(key)
        networks = [network_report(record) for record in kept]
        for record in records:
            if record not in kept and (error := self._detach(record)) is not None:
                networks.append(network_report(self._journal.get(record.key) or record, error))
        if not networks:
            return SyncResult(report=None, released=frozenset(self._ownership.release(key)))
        ref = (kept or records)[0].pod
        assert ref is not None
        error = outlived_error(ref) if kept else None
        return SyncResult(report=PodReport(pod=ref, networks=tuple(networks), error=error), records=kept)

    def _has_lost_address(self, record: Record) -> bool:
        """Whether another Pod has its address: nothing speaks for this one then, whose object is gone.

        Other nodes give the addresses of such a Pod back after some minutes, as they cannot know that it lives. So each look
        here has them listed again.
        """
        call = self._make_call(record.attachment.request, threading.Event())
        try:
            findings = self._pipeline.check_lease(record, call)
        except Exception as exc:  # nothing is cut off for what could not be looked at
            call.log.warning("the addresses of a Pod that is gone from the API cannot be checked: %s", exc)
            return False
        if any(finding.code == ADDRESS_OF_ANOTHER for finding in findings):
            call.log.warning("this Pod is gone from the API and its address is another's by now: it is detached")
            return True
        return False

    def _stand_still(
        self, base: PodReport, records: tuple[Record, ...], error: SecnetError, selections: tuple[Selection, ...]
    ) -> SyncResult:
        """Leave living interfaces alone; remove what is half-built, of a dead namespace, or of an earlier Pod that ended."""
        networks = []
        others = [record for record in records if record.pod is not None and record.pod.uid != base.pod.uid]
        kept = outliving(others, self._source)
        for record in records:
            whole = record.phase == Phase.ATTACHED and record not in others
            if whole and lives(record.attachment.request.netns):
                networks.append(network_report(record))
            elif record not in kept and (failure := self._detach(record)) is not None:
                networks.append(network_report(self._journal.get(record.key) or record, failure))
        shown = {(network.network, network.interface) for network in networks}
        phase = PENDING if error.retryable or isinstance(error, Gone) else FAILED
        networks.extend(
            NetworkReport(network=str(named.selection.network), phase=phase, interface=named.ifname, error=error.info)
            for named in self._desired.named(selections, records, None)
            if (str(named.selection.network), named.ifname) not in shown
        )
        report = PodReport(pod=base.pod, generation=base.generation, error=error.info, networks=tuple(networks))
        left = self._journal.of_pod(base.pod.namespace, base.pod.name)
        return SyncResult(report=report, records=tuple(record for record in left if record not in kept))
