"""What is published about a Pod: its report, network-status, condition and Events.

A Pod without networks of ours costs no API call. One attach of a Pod costs two, however many networks it has: a PATCH of
`pods/status` with annotation and condition, and an Event. Where another writer changed the Pod in between, a GET and a
second PATCH are added.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import (
    Busy,
    ErrorInfo,
    NotReady,
    ObjectNotFound,
    PodRef,
    SecnetError,
    StoreConflict,
    Timeout,
    Unavailable,
)

from ..cluster.interface import Cluster
from ..model.pod import PodKey, pod_key, pod_ref
from ..model.record import Record
from ..model.report import LATE, LATE_TEXT, NetworkReport, PodReport, SyncResult, unworked_report
from ..sandboxes.pod_table import PodTable
from ..state.reports import Reports
from ._condition import condition_of, has_condition
from ._conflict_backoff import StatusConflictBackoff
from ._network_status import STATUS_ANNOTATION, default_entry, has_ours, merge_status, same_status
from ._primary import primary_addresses
from .failures import internal_error

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)

ATTACHED_REASON = "NetworksAttached"

_TRIES = 3
_ABSENT = ErrorInfo(reason="ObjectNotFound", message="the Pod is gone, and there is no object to write to")
_NO_ANSWER = {Unavailable.__name__, Timeout.__name__}
_COMPARE_SECONDS = 900.0  # what stands in the Pod's namespace may change without a word to us


@dataclass(frozen=True, slots=True)
class _Published:
    """What was published of a Pod in full, which state of the Pod has it, and until when no check is needed."""

    pod: Mapping[str, Any] | None
    report: PodReport
    records: tuple[Record, ...]
    until: float

    def covers(self, pod: Mapping[str, Any] | None, result: SyncResult, revision: int) -> bool:
        """Whether all that would be published now was published, and is still there. A waiter for a revision wants to see it."""
        seen = self.report.attached or self.report.revision >= revision
        same = dataclasses.replace(self.report, revision=0) == result.report and self.records == result.records
        return self.pod is pod and same and seen and not result.made


class Publisher:
    """Writes what became of each Pod. Thread-safe for different Pods.

    recorded: the Pods with records of an earlier agent. is_here: whether a Pod of which no agent here ever knew anything is
    surely this node's. What another agent published of any other is left alone: it may have the sandbox, and our name.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        pods: PodTable,
        reports: Reports,
        owner_tag: str,
        recorded: Iterable[PodRef] = (),
        is_here: Callable[[Mapping[str, Any]], bool] = lambda pod: True,
        conflict_backoff: StatusConflictBackoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._pods = pods
        self._reports = reports
        self._owner_tag = owner_tag
        self._is_here = is_here
        self._conflict_backoff = conflict_backoff or StatusConflictBackoff()
        self._ours = {(pod.namespace, pod.name): pod.uid for pod in recorded}  # those that had a sandbox here
        self._lock = threading.Lock()
        self._last: dict[PodKey, PodReport] = {}
        self._clock = clock
        self._published: dict[PodKey, _Published] = {}
        self._seen: dict[PodKey, set[str]] = {}  # the uids of Pods whose first report may be on disk

    def failing(self, matters: Callable[[ErrorInfo], bool]) -> list[PodKey]:
        """The Pods that wait because of an error that `matters`."""
        with self._lock:
            return [key for key, report in self._last.items() if any(map(matters, _errors(report)))]

    def note_seen(self, pod: Mapping[str, Any]) -> None:
        """A Pod that asks for networks is to be worked on: until that has ended, its report says so."""
        ref = pod_ref(pod)
        with self._lock:
            self._seen.setdefault(pod_key(pod), set()).add(ref.uid)
        self._reports.write_first(unworked_report(ref))

    def last(self, key: PodKey) -> PodReport | None:
        """What was published of a Pod last; None where there was nothing to say."""
        with self._lock:
            return self._last.get(key)

    def forget_absent(self) -> None:
        """Remove the reports of Pods that are not on this node any more."""
        present = {pod_ref(pod).uid for pod in self._pods.all().values()}
        for report in self._reports.pods():
            if report.pod.uid not in present:
                self._reports.remove(report.pod.uid)

    def publish(
        self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult, revision: int, *, here: bool = False
    ) -> tuple[ErrorInfo, ...]:
        """Publish it, the report last: a waiter for it finds the status already written. Returns what could not be published.

        revision: the highest resourceVersion that was seen before the work began. here: whether its sandbox was asked for on this
        node, whatever became of it. Raises OSError if the report cannot be written.
        """
        self._note(key, pod, result, here)
        newest = self._pods.get(key)
        if self._is_published(key, newest, result, revision):
            return ()
        outcomes = tuple(self._write_all(key, pod, result))
        errors = [error for error in outcomes if error is not None and error is not _ABSENT]
        with self._lock:
            before = self._last.get(key)
            if result.report is None:
                self._last.pop(key, None)
            else:
                self._last[key] = result.report
        if result.report is not None:
            self._reports.write(dataclasses.replace(result.report, revision=revision))
        with self._lock:
            seen = self._seen.pop(key, set())
        for uid in {report.pod.uid for report in (before,) if report} | ({pod_ref(pod).uid} if pod else set()) | seen:
            if result.report is None or result.report.pod.uid != uid:
                self._reports.remove(uid)
        if pod is not None:
            self._record_events(pod, before, result)
        if result.report is not None and result.records and not any(outcomes):
            report = dataclasses.replace(result.report, revision=revision)
            with self._lock:
                self._published[key] = _Published(newest, report, result.records, self._clock() + _COMPARE_SECONDS)
        return tuple(errors)

    def _is_published(self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult, revision: int) -> bool:
        """Each check of a living Pod ends here, mostly with nothing new."""
        with self._lock:
            published = self._published.pop(key, None)
        if published is None or self._clock() >= published.until or not published.covers(pod, result, revision):
            return False
        if not self._reports.has(published.report.pod.uid):
            return False
        with self._lock:
            self._published[key] = published
        return True

    def _note(self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult, here: bool) -> None:
        """Remember the Pods of this node."""
        if pod is None:
            self._conflict_backoff.forget(key)
        with self._lock:
            if pod is None:
                self._ours.pop(key, None)
            elif here or result.records or (result.report is not None and result.report.container_id):
                self._ours[key] = pod_ref(pod).uid

    def _may_take_back(self, key: PodKey, pod: Mapping[str, Any]) -> bool:
        """Whether the entries in the Pod are ours to change, also when we have nothing to publish."""
        with self._lock:
            ours = self._ours.get(key)
        return ours == pod_ref(pod).uid or self._is_here(pod)

    def _write_all(self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult) -> Iterator[ErrorInfo | None]:
        if pod is None:
            return
        newest = self._pods.get(key)  # its resourceVersion saves a GET
        if newest is not None and pod_ref(newest).uid != pod_ref(pod).uid:
            return  # another Pod has the name by now
        if (newest or pod)["metadata"].get("deletionTimestamp") and not result.records:
            return  # its sandbox has ended and its object is about to: no one reads it any more
        pod = newest or pod
        error = self._try(key, lambda: self._patch(key, pod, result, annotate=True))
        yield error
        if error is not None and error is not _ABSENT and error.reason not in _NO_ANSWER:
            # Whatever keeps the annotation from being written, the condition can still say what became of the Pod.
            yield self._try(key, lambda: self._patch(key, pod, result, annotate=False))

    def _try(self, key: PodKey, write: Callable[[], None]) -> ErrorInfo | None:
        try:
            write()
        except ObjectNotFound:
            return _ABSENT
        except SecnetError as exc:
            return dataclasses.replace(exc.info, retryable=True)  # nothing else would bring this Pod back
        except Exception as exc:  # what fails for one of them must not keep the others from being published
            _log.exception("the status of Pod %s/%s cannot be published by a bug of the agent itself", *key)
            return internal_error(exc)
        return None

    def _patch(self, key: PodKey, pod: Mapping[str, Any], result: SyncResult, *, annotate: bool) -> None:
        """Write annotation and condition at once; the annotation with the resourceVersion read, so that entries of other
        writers are never lost."""
        ref, records = pod_ref(pod), result.records
        default = default_entry(self._owner_tag, *primary_addresses(records)) if annotate else {}
        ours = merge_status(None, records, default, self._owner_tag)
        for attempt in range(_TRIES):
            annotations = self._annotations(key, pod, records, default) if annotate else {}
            condition = self._condition(key, pod, result.report)
            if annotations and not self._conflict_backoff.may_write(key, ours):
                raise Busy("another writer keeps changing our entries; they are corrected later")
            try:
                if annotations or condition is not None:
                    self._cluster.patch_pod(
                        *(ref.name, ref.namespace, ref.uid),
                        annotations=annotations,
                        condition=condition,
                        resource_version=pod["metadata"]["resourceVersion"] if annotations else None,
                    )
            except StoreConflict:
                if attempt == _TRIES - 1:
                    raise
                pod = self._cluster.get("Pod", ref.name, ref.namespace)
                if pod_ref(pod).uid != ref.uid:
                    return
                continue
            if annotations:
                self._conflict_backoff.wrote(key, ours)
            return

    def _annotations(
        self, key: PodKey, pod: Mapping[str, Any], records: tuple[Record, ...], default: Mapping[str, Any]
    ) -> Mapping[str, str | None]:
        """What to change of the Pod's annotations: our entries of network-status, merged into what is there."""
        current = (pod["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION)
        if not records and not (has_ours(current, self._owner_tag) and self._may_take_back(key, pod)):
            return {}
        text = merge_status(current, records, default, self._owner_tag)
        return {} if same_status(text, current) else {STATUS_ANNOTATION: text}

    def _condition(self, key: PodKey, pod: Mapping[str, Any], report: PodReport | None) -> dict[str, str] | None:
        condition = condition_of(pod, report)
        return condition if not has_condition(pod) or self._may_take_back(key, pod) else None

    def _record_events(self, pod: Mapping[str, Any], before: PodReport | None, result: SyncResult) -> None:
        """One Event for each new failure, one for all that was made, and one if that came too late."""
        known = {(str(error.reason), error.message) for error in _errors(before)} if before else set()
        for subject, error in _failures(result.report):
            if (error.reason, error.message) not in known:
                self._cluster.record_event(dict(pod), warning=True, reason=error.reason, message=f"{subject}{error}")
        if result.made:
            text = ", ".join(_made(record) for record in result.made)
            self._cluster.record_event(dict(pod), warning=False, reason=ATTACHED_REASON, message=text)
        if late := [record.key.ifname for record in result.made if record.late]:
            text = f"{', '.join(late)}: {LATE_TEXT}"
            self._cluster.record_event(dict(pod), warning=True, reason=LATE, message=text)


def _failures(report: PodReport | None) -> Iterator[tuple[str, ErrorInfo]]:
    """What a reader of Events should know; that a sandbox is not there yet is the ordinary course of things."""
    if report is None:
        return
    if report.error is not None:
        if report.error.reason != NotReady.__name__:
            yield "", report.error
        return
    for network in report.networks:
        if network.error is not None:
            yield f"{_name(network)}: ", network.error


def _name(network: NetworkReport) -> str:
    return f"{network.network} ({network.interface})" if network.interface else network.network


def _made(record: Record) -> str:
    attachment = record.attachment
    addresses = [item.address for item in attachment.lease.addresses] if attachment.lease else []
    vlan = [f"VLAN {attachment.vlan}"] if attachment.vlan else []
    return " ".join([record.key.ifname, "on", str(attachment.request.network), *addresses, *vlan])


def _errors(report: PodReport | None) -> Iterable[ErrorInfo]:
    if report is None:
        return ()
    own = [report.error] if report.error else []
    return own + [network.error for network in report.networks if network.error]
