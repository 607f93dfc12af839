"""All networks of one Pod in one go, before its containers start: what the chained CNI plugin's ADD asks for.

Unlike the asynchronous sync, one network that fails fails all of them, and the sandbox with it (multi-net-spec 7.2). So all are
parsed, looked up and planned before the first address is taken, and what was made is removed again. Each network is planned
once: its plan is recorded, and finished after all the others were planned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from secnet.contract import ObjectNotFound, PodRef, SecnetError

from ..devices import DeviceAllocator
from ..model.pod import PodKey, pod_key, pod_ref
from ..model.record import Record
from ..model.report import PodReport, SyncResult, network_report
from ..model.sandbox import Sandbox
from ..model.selection import AnySelection, SelectionId
from ..model.work import Changes, Rejected, Work
from ..networks.desired import DesiredNetworks
from ..networks.requests import is_outdated
from ..sandboxes.ownership import NetnsOwnership
from ..state.journal import Journal
from .late_nads import LateNads
from .worker import AttachmentWorker

__all__ = ["SandboxAttach"]


class SandboxAttach:
    """Attaches and detaches whole sandboxes. Thread-safe for different Pods; the caller holds the Pod in the queue."""

    def __init__(
        self,
        *,
        worker: AttachmentWorker,
        journal: Journal,
        desired: DesiredNetworks,
        devices: DeviceAllocator,
        ownership: NetnsOwnership,
        late_nads: LateNads,
    ) -> None:
        self._late_nads = late_nads
        self._worker = worker
        self._journal = journal
        self._desired = desired
        self._devices = devices
        self._ownership = ownership

    def attach(
        self, pod: Mapping[str, Any], sandbox: Sandbox, cancel: threading.Event
    ) -> tuple[SyncResult, tuple[Record, ...]]:
        """Every network of ours that the Pod asks for; those that are there already stay.

        Returns what became of the Pod, and the records of this sandbox in the order of the annotation. Raises the first error,
        with nothing of this sandbox left: what could not be removed yet keeps its record, and the agent tries it again.
        """
        key, ref = pod_key(pod), pod_ref(pod)
        selections = self._desired.selections(pod)
        if not selections:
            self._detach(self._journal.of_pod(*key), cancel)
            return SyncResult(report=None, released=frozenset(self._ownership.release(key))), ()
        self._detach([r for r in self._journal.of_pod(*key) if r.key.container_id != sandbox.container_id], cancel)
        released = self._ownership.claim(sandbox.netns, key)
        try:
            changes = self._changes(selections, ref, sandbox)
            changes = self._with_devices(pod, changes, sandbox, cancel)
            made = self._make(changes, sandbox, cancel)
        except BaseException:
            if not self._journal.of_sandbox(sandbox.container_id):
                self._ownership.give_up(sandbox.netns, key)
            raise
        networks = {record.selection_id: network_report(record) for record in made}
        for record, outcome in changes.keep:
            error = outcome.error.info if isinstance(outcome, Rejected) else self._worker.drift_of(record.key)
            outdated = isinstance(outcome, Work) and is_outdated(record, outcome)
            in_use = self._worker.in_use(record.key)
            networks[record.selection_id] = network_report(record, error, outdated=outdated, in_use=in_use)
        report = PodReport(
            pod=ref,
            generation=int(pod["metadata"].get("generation") or 0),
            container_id=sandbox.container_id,
            netns=sandbox.netns.path,
            networks=tuple(networks[each] for each in changes.order if each in networks),
        )
        result = SyncResult(
            report=report, records=self._journal.of_pod(*key), released=frozenset(released), made=tuple(made)
        )
        return result, _in_order(self._journal.of_sandbox(sandbox.container_id), changes.order)

    def detach(self, container_id: str) -> set[PodKey]:
        """Remove what annotations asked for in this sandbox, and nothing else. What cannot be removed now keeps its record.

        No Pod holds the namespace then: where the kernel has no cookies the next Pod may get one that looks the same. Returns
        the Pods that were refused because of it, and may try again.
        """
        records = self._journal.of_sandbox(container_id)
        left = False
        for record in reversed(records):
            try:
                self._worker.detach(record)
            except SecnetError:  # logged; the agent tries it again
                left = True
        if left:
            return set()
        held = {(r.attachment.request.netns, (r.pod.namespace, r.pod.name)) for r in records if r.pod is not None}
        return set().union(*(self._ownership.give_up(netns, pod) for netns, pod in held))

    def _changes(self, selections: tuple[AnySelection, ...], pod: PodRef, sandbox: Sandbox) -> Changes:
        """What is to be done. A NAD that is not known is looked for once more: a sandbox that fails costs the Pod ten seconds."""
        known = self._journal.of_pod(pod.namespace, pod.name)
        changes = self._desired.changes(selections, known, pod, sandbox)
        missing = [each.error for each in changes.rejected if isinstance(each.error, ObjectNotFound)]
        came = [self._late_nads.take(error) for error in missing]
        if not any(came):
            return changes
        return self._desired.changes(selections, known, pod, sandbox)

    def _with_devices(
        self, pod: Mapping[str, Any], changes: Changes, sandbox: Sandbox, cancel: threading.Event
    ) -> Changes:
        """Asked for once for all networks, and again for a while: the kubelet's answer may be late, and the sandbox waits."""
        if not changes.want_devices:
            return changes
        wait = self._worker.call(changes.attach[0], cancel) if changes.attach else None
        return self._devices.assign(pod, changes, sandbox.container_id, wait)

    def _make(self, changes: Changes, sandbox: Sandbox, cancel: threading.Event) -> list[Record]:
        for rejected in changes.rejected:
            raise rejected.error
        self._detach(changes.remove, cancel)
        made: list[Record] = []
        try:
            planned = [self._worker.plan(work, cancel) for work in changes.attach]
            made.extend(self._worker.finish(record, cancel) for record in planned)
        except BaseException:
            self.detach(sandbox.container_id)
            raise
        return made

    def _detach(self, records: Iterable[Record], cancel: threading.Event) -> None:
        """Remove all that can be removed, the last one first; raise the first error."""
        errors = []
        for record in reversed(tuple(records)):
            try:
                self._worker.detach(record, cancel)
            except SecnetError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]


def _in_order(records: Iterable[Record], order: tuple[SelectionId, ...]) -> tuple[Record, ...]:
    position = {each: number for number, each in enumerate(order)}
    return tuple(sorted(records, key=lambda record: position.get(record.selection_id, len(position))))
