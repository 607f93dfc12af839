"""One reconcile of a Pod, network by network: make its networks as its annotation says, and report what became of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from secnet.contract import ADDRESS_OF_ANOTHER, Busy, ErrorInfo, Gone, SecnetError

from ..devices import DeviceAllocator
from ..model.pod import PodKey, is_finished, pod_ref
from ..model.record import Phase, Record
from ..model.report import FAILED, PENDING, NetworkReport, PodReport, SyncResult, network_report
from ..model.sandbox import Sandbox, SandboxSource
from ..model.selection import AnySelection, SelectionId
from ..model.work import Changes, Outcome, Rejected, Work
from ..networks.desired import DesiredNetworks
from ..networks.requests import is_outdated
from ..sandboxes.monitor import lives, outliving
from ..sandboxes.ownership import NetnsOwnership
from ..state.journal import Journal
from ..status.failures import failed_report, gone_report, internal_error_report, outlived_error, rejected_report
from .late_start import LateStart
from .worker import AttachmentWorker

__all__ = ["PodSync"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


def _between(items: Sequence[T], give_way: Callable[[], None]) -> Iterator[T]:
    """The items; `give_way` is called between two of them."""
    for position, item in enumerate(items):
        if position:
            give_way()
        yield item


@dataclass(slots=True)
class _Progress:
    """What happened to each selection during one sync; local to one call."""

    networks: dict[SelectionId, NetworkReport] = field(default_factory=dict)
    leftovers: list[NetworkReport] = field(default_factory=list)
    made: list[Record] = field(default_factory=list)

    def in_order(self, changes: Changes) -> tuple[NetworkReport, ...]:
        return tuple(self.networks[each] for each in changes.order if each in self.networks) + tuple(self.leftovers)


class PodSync:
    """See the module. Thread-safe for different Pods; the caller never runs one Pod twice at once.

    awaited: whether containers wait for what is attached here; see `Call`. late_start: tells which sandboxes should have waited;
    None where none do.
    """

    def __init__(
        self,
        *,
        worker: AttachmentWorker,
        journal: Journal,
        desired: DesiredNetworks,
        devices: DeviceAllocator,
        source: SandboxSource,
        ownership: NetnsOwnership,
        awaited: bool = True,
        late_start: LateStart | None = None,
    ) -> None:
        self._worker = worker
        self._journal = journal
        self._desired = desired
        self._devices = devices
        self._source = source
        self._ownership = ownership
        self._awaited = awaited
        self._late_start = late_start
        self._outlived: set[PodKey] = set()  # logged

    def sync(
        self,
        key: PodKey,
        pod: Mapping[str, Any] | None,
        cancel: threading.Event,
        *,
        verify: bool = False,
        give_way: Callable[[], None] = lambda: None,
    ) -> SyncResult:
        """Bring one Pod up to date. Never raises an Exception: what went wrong stands in the report.

        give_way: called between two networks that are attached or detached, so that many of them keep no other Pod waiting.
        """
        try:
            return self._sync(key, pod, cancel, verify, give_way)
        except Exception as exc:
            _log.exception("Pod %s/%s cannot be brought up to date by a fault of the agent itself", *key)
            records = self._journal.of_pod(*key)
            ref = pod_ref(pod) if pod is not None else next((record.pod for record in records), None)
            return SyncResult(
                report=internal_error_report(ref, records, exc) if ref is not None else None, records=records
            )

    def _sync(
        self,
        key: PodKey,
        pod: Mapping[str, Any] | None,
        cancel: threading.Event,
        verify: bool,
        give_way: Callable[[], None],
    ) -> SyncResult:
        records = self._journal.of_pod(*key)
        if pod is None or is_finished(pod):
            return self._remove_pod(key, records, give_way, absent=pod is None, verify=verify)
        self._outlived.discard(key)
        base = PodReport(pod=pod_ref(pod), generation=int(pod["metadata"].get("generation") or 0))
        try:
            selections = self._desired.selections(pod)
        except SecnetError as exc:
            return self._stand_still(base, records, exc, ())
        if not selections and not records:
            return SyncResult(report=None, released=frozenset(self._ownership.release(key)))
        released: set[PodKey] = set()
        try:
            sandbox = self._source.resolve(pod, now=not verify)
            self._leave_old(records, sandbox, give_way)
            records = self._journal.of_pod(*key)
            released |= self._ownership.release(key, keep=sandbox.netns)
            self._ownership.claim(sandbox.netns, key)
        except SecnetError as exc:
            still = self._stand_still(base, self._journal.of_pod(*key), exc, selections)
            if not self._journal.of_pod(*key):
                released |= self._ownership.release(key)
            return replace(still, released=frozenset(released))
        progress = _Progress()
        changes = self._desired.changes(selections, records, base.pod, sandbox)
        if changes.want_devices:
            changes = self._devices.assign(pod, changes, sandbox.container_id)
        if changes.attach and self._late_start is not None and self._late_start.is_late(sandbox, records):
            changes = replace(changes, attach=tuple(replace(work, late=True) for work in changes.attach))
        self._apply(changes, progress, cancel, verify, give_way)
        return SyncResult(
            report=replace(
                base,
                container_id=sandbox.container_id,
                netns=sandbox.netns.path,
                networks=progress.in_order(changes),
                called=changes.called,
                uncalled=changes.uncalled,
            ),
            records=self._journal.of_pod(*key),
            released=frozenset(released),
            made=tuple(progress.made),
        )

    def _leave_old(self, records: tuple[Record, ...], sandbox: Sandbox, give_way: Callable[[], None]) -> None:
        """Remove what stands in another namespace, before this Pod gives up its claim on that one."""
        for record in _between([r for r in records if r.key.container_id != sandbox.container_id], give_way):
            if (error := self._detach(record)) is not None:
                raise Busy(
                    f"its interface {record.key.ifname} in {record.attachment.request.netns.path} is not removed yet: {error}"
                )

    def _apply(
        self,
        changes: Changes,
        progress: _Progress,
        cancel: threading.Event,
        verify: bool,
        give_way: Callable[[], None],
    ) -> None:
        for record in _between(changes.remove, give_way):
            error = self._detach(record)
            if error is not None:
                progress.leftovers.append(network_report(self._journal.get(record.key) or record, error))
        for record, outcome in changes.keep:
            progress.networks[record.selection_id] = self._keep(record, outcome, verify)
        for rejected in changes.rejected:
            progress.networks[rejected.selection_id] = rejected_report(rejected)
        for work in _between(changes.attach, give_way):
            progress.networks[work.selection_id] = self._attach(work, progress, cancel)

    def _attach(self, work: Work, progress: _Progress, cancel: threading.Event) -> NetworkReport:
        try:
            record = self._worker.attach(work, cancel, awaited=self._awaited)
        except SecnetError as exc:
            return failed_report(work, exc.info)
        progress.made.append(record)
        return network_report(record)

    def _keep(self, record: Record, outcome: Outcome, verify: bool) -> NetworkReport:
        """A living attachment stays as its record says, whatever became of its NAD; what drifted is repaired from the record."""
        rejected = outcome.error.info if isinstance(outcome, Rejected) else None
        outdated = isinstance(outcome, Work) and is_outdated(record, outcome)
        if verify or record.phase == Phase.REPAIRING:
            try:
                record = self._worker.check(record, repair=True)
            except SecnetError as exc:
                found = self._journal.get(record.key)
                if found is None:
                    return gone_report(record, exc.info)
                return network_report(found, exc.info, outdated=outdated, in_use=self._worker.in_use(record.key))
        error = self._worker.drift_of(record.key) or rejected
        return network_report(record, error, outdated=outdated, in_use=self._worker.in_use(record.key))

    def _detach(self, record: Record) -> ErrorInfo | None:
        try:
            self._worker.detach(record)
        except SecnetError as exc:
            return exc.info
        return None

    def _remove_pod(
        self, key: PodKey, records: tuple[Record, ...], give_way: Callable[[], None], *, absent: bool, verify: bool
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
        for record in _between([record for record in records if record not in kept], give_way):
            if (error := self._detach(record)) is not None:
                networks.append(network_report(self._journal.get(record.key) or record, error))
        if not networks:
            return SyncResult(report=None, released=frozenset(self._ownership.release(key)))
        ref = (kept or records)[0].pod
        assert ref is not None
        error = outlived_error(ref) if kept else None
        return SyncResult(report=PodReport(pod=ref, networks=tuple(networks), error=error), records=kept)

    def _has_lost_address(self, record: Record) -> bool:
        """Whether another Pod has its address: nothing speaks for this one then, whose object is gone.

        Other nodes give the addresses of such a Pod back after some minutes, as they cannot know that it lives. So each check
        here has them listed again.
        """
        log = self._worker.call(record).log
        try:
            findings = self._worker.check_lease(record)
        except Exception as exc:  # no Pod is cut off for a check that failed
            log.warning("the addresses of a Pod that is gone from the API cannot be checked: %s", exc)
            return False
        if any(finding.code == ADDRESS_OF_ANOTHER for finding in findings):
            log.warning("this Pod is gone from the API and its address is another's by now: it is detached")
            return True
        return False

    def _stand_still(
        self, base: PodReport, records: tuple[Record, ...], error: SecnetError, selections: tuple[AnySelection, ...]
    ) -> SyncResult:
        """Leave living interfaces alone; remove what is half-built, of a dead namespace, or of an earlier Pod that ended."""
        networks = []
        others = [record for record in records if record.pod is not None and record.pod.uid != base.pod.uid]
        kept = outliving(others, self._source)
        for record in records:
            whole = record.living and record not in others
            if whole and lives(record.attachment.request.netns):
                networks.append(network_report(record))
            elif record not in kept and (failure := self._detach(record)) is not None:
                networks.append(network_report(self._journal.get(record.key) or record, failure))
        shown = {(network.network, network.interface) for network in networks}
        phase = PENDING if error.retryable or isinstance(error, Gone) else FAILED
        networks.extend(
            NetworkReport(
                network=str(named.selection.network),
                phase=FAILED if named.error is not None else phase,
                interface=named.ifname,
                error=(named.error or error).info,
            )
            for named in self._desired.named(selections, records, None)
            if (str(named.selection.network), named.ifname) not in shown
        )
        report = replace(base, error=error.info, networks=tuple(networks))
        left = self._journal.of_pod(base.pod.namespace, base.pod.name)
        return SyncResult(report=report, records=tuple(record for record in left if record not in kept))
