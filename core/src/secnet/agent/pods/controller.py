"""The heart of the agent: what happens to which Pod, and when.

Events of the cluster, vanishing namespaces, retries and periodic verification all end in one queue of Pods; `PodSync` does the
work for one Pod, the publisher publishes the result, and the controller decides about the next attempt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from secnet.contract import Call, ErrorInfo, ObjectKind, ObjectNotFound, ObjectRef, SecnetError

from ..base.queue import WorkQueue
from ..base.retry import next_delay
from ..cluster.interface import Cluster, Event, Watch, version_of
from ..model.pod import PodKey, asks_for_networks, pod_key, pod_ref
from ..model.report import SyncResult
from ..model.sandbox import SandboxSource
from ..networks.nad import nad_ref
from ..networks.nad_cache import NadCache
from ..networks.object_problems import ObjectProblems
from ..sandboxes.monitor import SandboxMonitor
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from ..status.failures import internal_error
from ..status.publisher import Publisher
from ..status.sandbox_failures import SandboxFailures
from ._lanes import Lanes
from ._left_behind import LeftBehind
from ._network_index import NetworkIndex
from ._object_changes import ObjectChange, ObjectChanges
from ._recovery import Recovery
from ._resync import ResyncScheduler
from ._waiters import Waiters
from .sync import PodSync

__all__ = ["Controller"]

_log = logging.getLogger(__name__)

_FIRST_LIST_SECONDS = 10.0
_SYNC_POLL_SECONDS = 0.1
_RECOVERY_SECONDS = 60.0
_UNREADABLE_DELAY = 5.0


class Controller:
    """Ties watch, queue, `PodSync` and publisher together.

    left_behind: the Pods whose work may never end. waking_kinds: of the objects that a Pod may wait for, beside NADs. may_begin:
    whether the listed Pods may be worked on yet.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        journal: Journal,
        nads: NadCache,
        object_problems: ObjectProblems,
        pods: PodTable,
        sync: PodSync,
        source: SandboxSource,
        publisher: Publisher,
        workers: int,
        waking_kinds: Iterable[ObjectKind] = (),
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self._cluster = cluster
        self._journal = journal
        self._nads = nads
        self._object_problems = object_problems
        self._pods = pods
        self._sync = sync
        self._source = source
        self._publisher = publisher
        self._may_begin = may_begin
        self._queue = WorkQueue(self._handle, workers, Lanes(pods, nads, journal).of)
        self._checks = ResyncScheduler(self._queue)
        self._lock = threading.Lock()
        self._attempts: dict[PodKey, int] = {}
        self._cancels: dict[PodKey, threading.Event] = {}
        self._deleted: set[PodKey] = set()  # of those with records: what the API server itself said
        self._watch: Watch | None = None
        self._revision = 0
        self._started = False
        self._changes = ObjectChanges()
        self._networks = NetworkIndex()
        self._waiters = Waiters(cluster, waking_kinds, self._queue.add, self._saw)
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._starting = threading.Thread(target=self._begin, name="first-list", daemon=True)
        self._recovery = Recovery()
        self._sandbox_monitor = SandboxMonitor(source, journal, pods, asks_for_networks)
        self._failures = SandboxFailures()
        self.left_behind = LeftBehind(self._queue, self._recovery, self._checks)

    def start(self) -> None:
        """Watch the cluster; once the first list is in, forget reports of Pods that are gone and queue everything.

        Returns before that when the cluster does not answer for a while; living attachments stay as they are meanwhile.
        """
        self._watch = self._cluster.watch(self._cluster.watched, self._on_event)
        self._starting.start()
        self._begun.wait(_FIRST_LIST_SECONDS)

    def _begin(self) -> None:
        assert self._watch is not None
        while not self._watch.synced.wait(_SYNC_POLL_SECONDS):
            if self._stop.is_set():
                return
        while not self._may_begin():
            if self._stop.wait(_SYNC_POLL_SECONDS):
                return
        self._publisher.forget_absent()
        recorded = self._recorded()
        self._recovery.begin(recorded)
        for key in recorded:
            self._queue.add(key)
        self.resync_all()
        self._started = True
        self._queue.start()
        self._begun.set()
        self._recovery.limit(_RECOVERY_SECONDS, self._stop)

    @property
    def recovered(self) -> threading.Event:
        """Set once every Pod that had a record when the agent started was reconciled, or that took too long."""
        return self._recovery.done

    def stop(self, timeout: float) -> bool:
        """Stop watching, let running work finish for `timeout` seconds, then cancel it (which undoes it)."""
        self._stop.set()
        self._waiters.close()
        if self._watch is not None:
            self._watch.close()
        if self._starting.ident is not None:
            self._starting.join()
        if self._queue.stop(timeout):
            return True
        with self._lock:
            for cancel in self._cancels.values():
                cancel.set()
        return self._queue.stop(timeout)

    def resync_all(self) -> None:
        """Queue every Pod with a check of its living attachments."""
        self._checks.all({*self._pods.all(), *self._recorded()})

    def resync_in_turn(self) -> None:
        """The same, one Pod after the other, in the background."""
        self._checks.resync_in_turn({*self._pods.all(), *self._recorded()})

    def retry_waiting(self, matters: Callable[[ErrorInfo], bool] = lambda error: error.retryable) -> None:
        """Queue the Pods that wait because of an error that `matters`, ahead of their back-off."""
        for key in self._publisher.failing(matters):
            self._queue.add(key)

    def poll_sandboxes(self) -> None:
        """Queue Pods whose namespace or sandbox appeared, vanished or was replaced since the last look."""
        for key in self._sandbox_monitor.changed():
            self._queue.add(key)

    @property
    def settled(self) -> bool:
        """See `SandboxMonitor.is_settled`."""
        return self._sandbox_monitor.is_settled()

    @property
    def queue(self) -> WorkQueue:
        """The queue, to be read."""
        return self._queue

    @property
    def started(self) -> bool:
        """Whether everything that existed is known and queued."""
        return self._started

    def _recorded(self) -> set[PodKey]:
        """The Pods whose annotations records answer, also those that are gone."""
        return set(self._journal.of_pods())

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
            self._on_other(obj, deleted)
        self._saw(version_of(obj))

    def _saw(self, version: int) -> None:
        """Called by the threads of several watches."""
        with self._lock:
            self._revision = max(self._revision, version)

    def _on_nad(self, nad: Mapping[str, Any], deleted: bool) -> None:
        """Requeue every Pod that names it, also one without an error: a NAD may vanish, or turn ours, under it."""
        (self._nads.remove if deleted else self._nads.update)(nad)
        for key in self._networks.asking_for(nad_ref(nad), self._pods.all()):
            self._queue.add(key)

    def _on_other(self, obj: Mapping[str, Any], deleted: bool) -> None:
        """An edited pool may end any error, a released address that of a Pod that waits for it; one more taken ends none."""
        change = self._changes.note(obj, deleted=deleted)
        if change is ObjectChange.NEW and self._started:
            self.resync_all()  # created again without its status, it must learn the addresses in use before it gives them away
        if change in (ObjectChange.NEW, ObjectChange.EDITED):
            self.retry_waiting(lambda error: True)
        if change is not ObjectChange.NOTHING:
            self._waiters.changed(ObjectRef.of(obj), version_of(obj))

    def _on_pod(self, pod: Mapping[str, Any], deleted: bool) -> None:
        key = pod_key(pod)
        changed = self._pods.remove(key) if deleted else self._pods.update(pod)
        if not changed:
            return
        with self._lock:
            if deleted and self._cluster.traits.shared and self._journal.of_pod(*key):
                self._deleted.add(key)
            else:
                self._deleted.discard(key)
            self._attempts.pop(key, None)
            if self._pods.get(key) is None and key in self._cancels:
                self._cancels[key].set()
        self._queue.add(key)

    def _handle(self, item: Hashable) -> None:
        assert isinstance(item, tuple)
        key: PodKey = (item[0], item[1])
        looked_at = True
        try:
            looked_at = self._work_on(key)
        except Exception as exc:
            _log.exception("Pod %s/%s cannot be handled by a fault of the agent itself, it is tried again", *key)
            self._schedule(key, [internal_error(exc)])
        finally:  # new Pods wait for one reconcile of it at most
            if looked_at:
                self._recovery.note(key)
            self._checks.go_on(key)

    def _work_on(self, key: PodKey) -> bool:
        """False for a Pod that could not be reconciled, and is requeued."""
        cancel = threading.Event()
        with self._lock:
            self._cancels[key] = cancel
        try:
            self._checks.due.remove(key)  # one step: a Pod added between a look and its removal would never be verified
            verify = True
        except KeyError:
            verify = False
        revision = self._revision
        pod = self._pods.get(key)
        if pod is None and self._journal.of_pod(*key) and not self._is_gone(key):
            with self._lock:
                del self._cancels[key]
            self._queue.add(key, 0 if self._pods.get(key) else _UNREADABLE_DELAY)
            return False
        try:
            result = self._sync.sync(key, pod, cancel, verify=verify)
        finally:
            with self._lock:
                del self._cancels[key]
                if not self._journal.of_pod(*key):
                    self._deleted.discard(key)
        self.publish(key, pod, result, revision)
        return True

    @contextmanager
    def hold(self, key: PodKey, call: Call) -> Iterator[None]:
        """Work for a Pod in the caller's own thread, as the CNI plugin's calls do; see `LeftBehind.hold`."""
        with self.left_behind.hold(key, call):
            yield

    def _is_gone(self, key: PodKey) -> bool:
        """Whether the store itself says so: a directory of manifests leaves out objects whose file is damaged (R6), and of a Pod
        that was deleted while no agent was here, no watch says so.

        One whose file was repaired by hand is taken up again here: the watch reports no change of it.
        """
        if key in self._deleted:
            return True
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

    def publish(self, key: PodKey, pod: Mapping[str, Any] | None, result: SyncResult, revision: int = 0) -> None:
        """Publish the result for a Pod, and decide when it is requeued."""
        errors = list(result.errors)
        try:
            errors.extend(self._publisher.publish(key, pod, self._failures.shown(key, result), revision))
        except OSError as exc:
            _log.error("the report of Pod %s/%s cannot be written, it is tried again: %s", *key, exc)
            errors = [ErrorInfo(reason="Unavailable", message=str(exc), retryable=True)]
        self._schedule(key, errors)
        self._waiters.note(key, result.errors, revision)
        for other in result.released:
            self._queue.add(other)

    def report_failure(self, key: PodKey, pod: Mapping[str, Any], error: SecnetError) -> None:
        """Publish why a Pod's sandbox failed, while the Pod is held. It is not requeued: the kubelet creates another one.

        Nothing is published of a Pod that has ended before, because nothing would remove it again.
        """
        if self._pods.get(key) is None and not self._is_gone(key):
            self._queue.add(key)  # it is known from now on, and the watch has nothing new to say of it
        known = self._pods.get(key)
        if known is None or pod_ref(known).uid != pod_ref(pod).uid:
            return
        report = self._failures.note(key, pod, error)
        try:
            self._publisher.publish(
                key, pod, SyncResult(report=report, records=self._journal.of_pod(*key)), 0, here=True
            )
        except OSError as exc:
            _log.error("the report of Pod %s/%s cannot be written: %s", *key, exc)

    def enqueue(self, key: PodKey) -> None:
        """Queue a Pod: something about it changed."""
        self._queue.add(key)

    def _schedule(self, key: PodKey, errors: list[ErrorInfo]) -> None:
        with self._lock:
            attempts = self._attempts.get(key, 0) + 1 if errors else 0
            self._attempts[key] = attempts
            if not errors:
                del self._attempts[key]
        delays = [delay for error in errors if (delay := next_delay(error, attempts)) is not None]
        if delays:
            self._queue.add(key, min(delays))
