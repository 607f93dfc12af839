"""All networks of one Pod in one go, before its containers start: what the chained CNI plugin's ADD asks for.

Unlike the asynchronous path, one network that fails fails all of them, and the sandbox with it (multi-net-spec 7.2). So all are
parsed, looked up and planned before the first address is taken (ARCHITECTURE R7), and what was made is removed again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from secnet.contract import Busy, SecnetError

from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.pipeline import Pipeline
from ..devices import DeviceAllocator
from ..model.pod import PodKey, pod_ref
from ..model.record import Record
from ..model.sandbox import Sandbox
from ..model.work import Changes, MakeCall, Work
from ..networks.desired import DesiredNetworks, selections_of
from ..sandboxes.ownership import NetnsOwnership
from ..state.journal import Journal

__all__ = ["SandboxAttach"]


class SandboxAttach:
    """Attaches and detaches whole sandboxes. Thread-safe for different Pods; the caller holds the Pod in the queue."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        desired: DesiredNetworks,
        devices: DeviceAllocator,
        ownership: NetnsOwnership,
        orphan_gc: OrphanGarbageCollector,
        make_call: MakeCall,
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._desired = desired
        self._devices = devices
        self._ownership = ownership
        self._orphan_gc = orphan_gc
        self._make_call = make_call

    def attach(self, pod: Mapping[str, Any], sandbox: Sandbox, cancel: threading.Event) -> tuple[Record, ...]:
        """Every network of ours that the Pod asks for, in its order; those that are there already stay.

        Raises the first error, with nothing of this sandbox left: what could not be removed yet keeps its record and is tried
        again by the agent.
        """
        ref = pod_ref(pod)
        key = (ref.namespace, ref.name)
        selections = selections_of(pod)
        if not selections:
            return ()
        self._leave_old(key, sandbox, cancel)
        self._ownership.claim(sandbox.netns, key)
        try:
            changes = self._desired.changes(selections, self._journal.of_pod(*key), ref, sandbox)
            self._make(self._with_devices(pod, changes, sandbox, cancel), sandbox, cancel)
        except BaseException:
            if not self._journal.of_sandbox(sandbox.container_id):
                self._ownership.give_up(sandbox.netns, key)
            raise
        order = {named.selection_id: position for position, named in enumerate(self._named(selections, sandbox))}
        return tuple(
            sorted(self._journal.of_sandbox(sandbox.container_id), key=lambda r: order.get(r.selection_id, len(order)))
        )

    def detach(self, container_id: str) -> set[PodKey]:
        """Remove what annotations asked for in this sandbox, and nothing else. What cannot be removed now keeps its record.

        The namespace is nobody's then: where the kernel has no cookies the next Pod may get one that looks the same. Returns
        the Pods that were refused because of it, and may try again.
        """
        records = self._journal.of_sandbox(container_id)
        if self._remove(records, threading.Event()):
            return set()
        held = {(r.attachment.request.netns, (r.pod.namespace, r.pod.name)) for r in records if r.pod is not None}
        return set().union(*(self._ownership.give_up(netns, pod) for netns, pod in held))

    def _named(self, selections: Iterable[Any], sandbox: Sandbox) -> Iterable[Any]:
        return self._desired.named(selections, self._journal.of_sandbox(sandbox.container_id), sandbox)

    def _leave_old(self, key: tuple[str, str], sandbox: Sandbox, cancel: threading.Event) -> None:
        old = [r for r in self._journal.of_pod(*key) if r.key.container_id != sandbox.container_id]
        self._detach(old, cancel)

    def _with_devices(
        self, pod: Mapping[str, Any], changes: Changes, sandbox: Sandbox, cancel: threading.Event
    ) -> Changes:
        """Asked for once for all networks, and again for a while: the kubelet's answer may be late, and the sandbox waits."""
        wait = self._make_call(changes.attach[0].request, cancel) if changes.attach else None
        return self._devices.assign(pod, changes, sandbox.container_id, wait)

    def _make(self, changes: Changes, sandbox: Sandbox, cancel: threading.Event) -> None:
        for refused in changes.rejected:
            raise refused.error
        self._detach(changes.remove, cancel)
        for work in changes.attach:
            self._pipeline.dry_run(work, self._make_call(work.request, cancel))
        try:
            for work in changes.attach:
                self._attach(work, cancel)
        except BaseException:
            self.detach(sandbox.container_id)
            raise

    def _attach(self, work: Work, cancel: threading.Event) -> None:
        call = self._make_call(work.request, cancel)
        try:
            self._orphan_gc.before_attach(work.request, call)
            if self._journal.get(work.key) is not None:
                raise Busy("an older attachment of this interface is not removed yet", hint="it is tried again")
            self._pipeline.attach(work, call)
        except SecnetError as exc:
            call.log.warning("attach failed: %s", exc, extra={"reason": exc.reason})
            raise
        call.log.info("attached")

    def _detach(self, records: Iterable[Record], cancel: threading.Event) -> None:
        for error in self._remove(records, cancel):
            raise error

    def _remove(self, records: Iterable[Record], cancel: threading.Event) -> tuple[SecnetError, ...]:
        errors = []
        for record in reversed(tuple(records)):
            call = self._make_call(record.attachment.request, cancel)
            try:
                self._pipeline.detach(record, call)
                call.log.info("detached")
            except SecnetError as exc:
                call.log.warning("detach failed: %s", exc, extra={"reason": exc.reason})
                errors.append(exc)
        return tuple(errors)
