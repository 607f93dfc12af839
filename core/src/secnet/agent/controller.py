"""The heart of the agent: what happens to which Pod, and when.

Events of the cluster, vanishing namespaces, retries and periodic verification all end in one queue of Pods; `PodSync` does the
work for one Pod, the controller writes its report and its network-status and decides about the next attempt.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from secnet.contract import ErrorInfo, ObjectNotFound, PodRef, SecnetError

from .annotation import NETWORKS_ANNOTATION
from .cluster.base import Cluster, Event, Watch
from .journal import Journal, Record
from .nads import Nads
from .object_problems import ObjectProblems
from .pod_sync import PodSync, SyncResult
from .pod_table import PodKey, PodTable, pod_key
from .primary import primary_addresses
from .queue import WorkQueue
from .reports import PodReport, Reports
from .retry import next_delay
from .sandbox import SandboxSource, pod_ref
from .status import STATUS_ANNOTATION, default_entry, merge_status

__all__ = ["Controller"]

_log = logging.getLogger(__name__)

_POOL_EVENT_DELAY = 0.2
_UNREADABLE_DELAY = 5.0


class Controller:
    """Ties watch, queue, `PodSync`, reports and status together."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        journal: Journal,
        nads: Nads,
        object_problems: ObjectProblems,
        pods: PodTable,
        sync: PodSync,
        source: SandboxSource,
        reports: Reports,
        owner_tag: str,
        workers: int,
    ) -> None:
        self._cluster = cluster
        self._journal = journal
        self._nads = nads
        self._object_problems = object_problems
        self._pods = pods
        self._sync = sync
        self._source = source
        self._reports = reports
        self._owner_tag = owner_tag
        self._queue = WorkQueue(self._handle, workers)
        self._lock = threading.Lock()
        self._attempts: dict[PodKey, int] = {}
        self._verify: set[PodKey] = set()
        self._cancels: dict[PodKey, threading.Event] = {}
        self._last: dict[PodKey, PodReport] = {}
        self._glances: dict[PodKey, Hashable] = {}
        self._watch: Watch | None = None
        self._revision = 0
        self._started = False
        self._pools: dict[str, tuple[Any, int]] = {}

    def start(self) -> None:
        """Watch the cluster; once the first list is in, forget reports of Pods that are gone and queue everything."""
        self._watch = self._cluster.watch(("Pod", "NetworkAttachmentDefinition", "IPPool"), self._on_event)
        self._watch.synced.wait()
        present = {pod_ref(pod).uid for pod in self._pods.all().values()}
        for report in self._reports.pods():
            if report.pod.uid not in present:
                self._reports.remove(report.pod.uid)
        for record in self._journal.records():
            if record.pod is not None:
                self._queue.add((record.pod.namespace, record.pod.name))
        self.verify_all()
        self._started = True
        self._queue.start()

    def stop(self, timeout: float) -> bool:
        """Stop watching, let running work finish for `timeout` seconds, then cancel it (which undoes it)."""
        if self._watch is not None:
            self._watch.close()
        if self._queue.stop(timeout):
            return True
        with self._lock:
            for cancel in self._cancels.values():
                cancel.set()
        return self._queue.stop(timeout)

    def verify_all(self) -> None:
        """Queue every Pod with a check of its living attachments."""
        recorded = ((r.pod.namespace, r.pod.name) for r in self._journal.records() if r.pod is not None)
        for key in {*self._pods.all(), *recorded}:
            with self._lock:
                self._verify.add(key)
            self._queue.add(key)

    def retry_waiting(
        self, matters: Callable[[ErrorInfo], bool] = lambda error: error.retryable, delay: float = 0.0
    ) -> None:
        """Queue the Pods that wait because of an error that `matters`, ahead of their back-off."""
        with self._lock:
            waiting = [key for key, report in self._last.items() if any(map(matters, _errors(report)))]
        for key in waiting:
            self._queue.add(key, delay)

    def look_at_namespaces(self) -> None:
        """Queue Pods whose namespace appeared, vanished or was replaced since the last look (cheap: one stat a Pod)."""
        glances = {key: self._source.glance(pod) for key, pod in self._pods.all().items()}
        before, self._glances = self._glances, glances
        for key, glance in glances.items():
            if key not in before or before[key] != glance:
                self._queue.add(key)

    def sandboxes(self) -> dict[PodKey, str | None]:
        """The container id of every Pod of this node, None where it cannot be told."""
        return {key: self._sandbox_id(pod) for key, pod in self._pods.all().items()}

    def _sandbox_id(self, pod: Mapping[str, Any]) -> str | None:
        try:
            return self._source.resolve(pod).container_id
        except SecnetError:
            return None

    def _on_event(self, event: Event) -> None:
        obj = event.object
        deleted = event.type == "DELETED"
        if obj["kind"] != "Pod":
            (self._object_problems.remove if deleted else self._object_problems.update)(obj)
        if obj["kind"] == "Pod":
            self._on_pod(obj, deleted)
        elif obj["kind"] == "NetworkAttachmentDefinition":
            self._on_nad(obj, deleted)
        else:
            self._on_pool(obj, deleted)
        version = str(obj["metadata"].get("resourceVersion", ""))
        self._revision = max(self._revision, int(version) if version.isdigit() else 0)

    def _on_nad(self, nad: Mapping[str, Any], deleted: bool) -> None:
        """Look at every Pod that names it again, also at one without an error: a NAD may vanish, or turn ours, under it."""
        (self._nads.remove if deleted else self._nads.update)(nad)
        for key, pod in self._pods.all().items():
            if nad["metadata"]["name"] in ((pod["metadata"].get("annotations") or {}).get(NETWORKS_ANNOTATION) or ""):
                self._queue.add(key)

    def _on_pool(self, pool: Mapping[str, Any], deleted: bool) -> None:
        """An edited pool may mend any error, and so may a released address; one more taken mends none."""
        name = pool["metadata"]["name"]
        spec, used = pool.get("spec"), len((pool.get("status") or {}).get("ipAddresses") or [])
        before = self._pools.get(name)
        if deleted:
            self._pools.pop(name, None)
        else:
            self._pools[name] = (spec, used)
        if before is None and self._started:
            self.verify_all()  # made anew without its status, it must learn the addresses in use before it gives them away
        if before is None or deleted or before[0] != spec:
            self.retry_waiting(lambda error: True)
        elif used < before[1]:
            # Only whom this pool refused: a failed attach gives its addresses back, and must not wake itself by that.
            self.retry_waiting(lambda error: f"IPPool {name}" in str(error), delay=_POOL_EVENT_DELAY)

    def _on_pod(self, pod: Mapping[str, Any], deleted: bool) -> None:
        key = pod_key(pod)
        changed = self._pods.remove(key) if deleted else self._pods.update(pod)
        if not changed:
            return
        with self._lock:
            self._attempts.pop(key, None)
            if self._pods.get(key) is None and key in self._cancels:
                self._cancels[key].set()
        self._queue.add(key)

    def _handle(self, item: Hashable) -> None:
        assert isinstance(item, tuple)
        key: PodKey = (item[0], item[1])
        cancel = threading.Event()
        with self._lock:
            self._cancels[key] = cancel
            verify = key in self._verify
            self._verify.discard(key)
        revision = self._revision
        pod = self._pods.get(key)
        if pod is None and not self._is_gone(key):
            with self._lock:
                del self._cancels[key]
            self._queue.add(key, 0 if self._pods.get(key) else _UNREADABLE_DELAY)
            return
        try:
            result = self._sync.sync(key, pod, cancel, verify=verify)
        finally:
            with self._lock:
                del self._cancels[key]
        try:
            self._publish(key, pod, result, revision)
        except OSError as exc:
            _log.error("the report of Pod %s/%s cannot be written, it is tried again: %s", *key, exc)
            self._schedule(key, [ErrorInfo(reason="Unavailable", message=str(exc), retryable=True)])
        for other in result.released:
            self._queue.add(other)

    def _is_gone(self, key: PodKey) -> bool:
        """Whether the store itself says so: it leaves out objects whose file is damaged (R6).

        One whose file was mended by hand is taken up again here: that is no change which the watch would tell of.
        """
        try:
            found = self._cluster.get("Pod", key[1], key[0])
        except ObjectNotFound:
            return True
        except SecnetError as exc:
            _log.warning("Pod %s/%s cannot be read, its networks stay: %s", *key, exc)
            return False
        if not self._pods.is_here(found):
            return True
        if self._pods.get(key) is None:
            self._pods.update(found)
        return False

    def _publish(self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult, revision: int) -> None:
        """Status annotation, report, next attempt: whoever waits for the report finds the status already written."""
        errors = list(result.errors)
        status_error = self._write_status(pod, result.records) if pod is not None else None
        if status_error is not None:
            errors.append(status_error)
        with self._lock:
            before = self._last.get(key)
            if result.report is None:
                self._last.pop(key, None)
            else:
                self._last[key] = result.report
        if result.report is not None:
            self._reports.write(dataclasses.replace(result.report, revision=revision))
        for uid in {report.pod.uid for report in (before,) if report} | ({pod_ref(pod).uid} if pod else set()):
            if result.report is None or result.report.pod.uid != uid:
                self._reports.remove(uid)
        self._schedule(key, errors)

    def _schedule(self, key: PodKey, errors: list[ErrorInfo]) -> None:
        with self._lock:
            attempts = self._attempts.get(key, 0) + 1 if errors else 0
            self._attempts[key] = attempts
            if not errors:
                del self._attempts[key]
        delays = [delay for error in errors if (delay := next_delay(error, attempts)) is not None]
        if delays:
            self._queue.add(key, min(delays))

    def _write_status(self, pod: Mapping[str, Any], records: tuple[Record, ...]) -> ErrorInfo | None:
        """Merge our entries into the annotation, with the resourceVersion read: another writer's entries are never lost."""
        ref = pod_ref(pod)
        try:
            self._patch_status(ref, pod, records)
        except ObjectNotFound:
            return None
        except SecnetError as exc:
            return dataclasses.replace(exc.info, retryable=True)  # nothing else would bring this Pod back
        return None

    def _patch_status(self, ref: PodRef, pod: Mapping[str, Any], records: tuple[Record, ...]) -> None:
        annotations = pod["metadata"].get("annotations") or {}
        if not records and STATUS_ANNOTATION not in annotations:
            return
        fresh = self._cluster.get("Pod", ref.name, ref.namespace)
        meta = fresh["metadata"]
        if meta.get("uid") != ref.uid:
            return
        current = (meta.get("annotations") or {}).get(STATUS_ANNOTATION)
        default = default_entry(self._owner_tag, *primary_addresses(records))
        text = merge_status(current, records, default, self._owner_tag)
        if text == current:
            return
        self._cluster.patch_annotations(
            "Pod",
            ref.name,
            ref.namespace,
            {STATUS_ANNOTATION: text},
            resource_version=meta["resourceVersion"],
            uid=ref.uid,
        )


def _errors(report: PodReport) -> list[ErrorInfo]:
    own = [report.error] if report.error else []
    return own + [network.error for network in report.networks if network.error]
