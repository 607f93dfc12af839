"""The agent as the CNI calls see it: whole Pods for the chained plugin, single networks for Multus, a runtime or `cnitool`.

Every call holds its Pod in the queue, so that it never meets the asynchronous path, which goes on beside it: it serves Pods that
were there before the plugin was, and annotations that change later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from secnet.contract import (
    AttachmentId,
    Busy,
    Call,
    Conflict,
    ErrorInfo,
    Finding,
    Gone,
    PodRef,
    Retryable,
    SecnetError,
    Timeout,
)
from secnet.linux.netns import forbid_host, identify

from ..cluster.interface import Cluster
from ..cni.interface import Attached, RecordedAttachment, RuntimeConfig, SandboxCall, attached
from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.pod import PodKey, asks_for_networks, pod_ref
from ..model.problem import InternalError
from ..model.record import Origin, Record
from ..model.sandbox import Sandbox
from ..plugins.calls import PluginStuck
from ..plugins.registry import Registry
from ..sandboxes.cni_cache import CniSandboxCache
from ..sandboxes.monitor import lives
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from .asked_networks import AskedNetworks
from .controller import Controller
from .sandbox_attach import SandboxAttach
from .single_checks import SingleChecks, queue_key
from .single_work import by_result, single_work, stated
from .worker import AttachmentWorker

__all__ = ["NodeAttacher"]

_log = logging.getLogger(__name__)

_DEL_SECONDS = 20.0
_STATIC_POD_UID = "kubernetes.io/config.hash"  # a static Pod's sandbox has this uid, its mirror Pod in the API another


class NodeAttacher:
    """Implements `cni.Attacher`.

    deadline: seconds for an ADD or CHECK. limits: those of this node. refusal: why nothing is served, if so.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        controller: Controller,
        pods: PodTable,
        cni_sandboxes: CniSandboxCache,
        sandboxes: SandboxAttach,
        worker: AttachmentWorker,
        journal: Journal,
        registry: Registry,
        checks: SingleChecks,
        asked: AskedNetworks,
        deadline: float,
        limits: Limits = DEFAULT_LIMITS,
        refusal: Callable[[], ErrorInfo | None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._controller = controller
        self._pods = pods
        self._cni_sandboxes = cni_sandboxes
        self._sandboxes = sandboxes
        self._worker = worker
        self._journal = journal
        self._registry = registry
        self._checks = checks
        self._asked = asked
        self._deadline = deadline
        self._limits = limits
        self._refusal = refusal

    @property
    def ready(self) -> bool:
        """See `Attacher.ready`."""
        return self._controller.recovered.is_set()

    def status(self) -> ErrorInfo | None:
        """See `Attacher.status`."""
        if self.ready:
            return None
        soon = Busy("the agent is still taking up what an earlier one left", hint="it is ready soon").info
        return self._refusal() or soon

    # Whole Pods

    def attach_pod(self, sandbox: SandboxCall, cancel: threading.Event) -> Sequence[Attached]:
        """See `Attacher.attach_pod`. Costs one GET when the sandbox comes before its Pod is in the cache."""
        if sandbox.pod is None:
            return ()
        pod = self._find_pod(sandbox.pod, may_be_unknown=sandbox.may_pass)
        if pod is None or not asks_for_networks(pod):
            return ()
        found = _identified(sandbox)
        ref = pod_ref(pod)
        key = (ref.namespace, ref.name)
        with self._controller.hold(key, Call.within(self._deadline, cancel=cancel)):
            self._cni_sandboxes.register(pod, found)
            try:
                result, records = self._sandboxes.attach(pod, found, cancel)
            except BaseException as exc:
                self._cni_sandboxes.forget(found.container_id)
                if isinstance(exc, Exception):
                    error = exc if isinstance(exc, SecnetError) else InternalError(exc)
                    self._controller.report_failure(key, pod, error)
                raise
            self._controller.publish(key, pod, result)
        return [attached(record) for record in records]

    def detach_sandbox(self, container_id: str) -> None:
        """See `Attacher.detach_sandbox`. What cannot be removed now keeps its record, and the agent goes on with it."""
        key = self._cni_sandboxes.pod_of(container_id) or _pod_of(self._journal.of_sandbox(container_id))
        if key is None:
            self._cni_sandboxes.forget(container_id)
            return
        self._cni_sandboxes.forget(container_id)
        waiting: set[PodKey] = set()
        try:
            with self._controller.hold(key, Call.within(_DEL_SECONDS)):
                self._cni_sandboxes.forget(
                    container_id
                )  # an ADD that had the Pod until now may have registered it again
                waiting = self._sandboxes.detach(container_id)
        except (Timeout, PluginStuck):
            _log.warning("Pod %s/%s is being worked on; its ended sandbox is detached after that", *key)
        for each in (key, *waiting):
            self._controller.enqueue(each)

    def has_ended(self, container_id: str) -> bool:
        """See `Attacher.has_ended`."""
        return not self._cni_sandboxes.is_awaited(container_id) and self._cni_sandboxes.has_ended(container_id)

    def check_sandbox(self, container_id: str) -> Sequence[Finding]:
        """See `Attacher.check_sandbox`."""
        return [finding for record in self._journal.of_sandbox(container_id) for finding in self._check(record)]

    # Single networks

    def attach_one(
        self,
        sandbox: SandboxCall,
        conf: Mapping[str, Any],
        ifname: str,
        runtime: RuntimeConfig,
        cancel: threading.Event,
    ) -> Attached:
        """See `Attacher.attach_one`."""
        nad = self._asked.nad_of(sandbox.pod, str(conf["name"]), ifname)
        work = single_work(sandbox, _identified(sandbox), conf, ifname, runtime, self._registry, nad, self._limits)
        with self._held(sandbox.container_id, sandbox.pod, self._worker.call(work, cancel)):
            old = self._journal.get(work.key)
            if old is not None and old.living:
                raise Conflict(
                    f"the sandbox has an interface {ifname} of network {old.attachment.request.network} already",
                    hint="call DEL before ADD",
                    subject=f"container {sandbox.container_id}",
                )
            if old is not None:
                self._worker.detach(old, cancel)
            record = self._worker.attach(work, cancel)
        self._asked.note(record)
        if sandbox.pod is not None:
            self._controller.enqueue((sandbox.pod.namespace, sandbox.pod.name))  # its condition may wait for this
        return attached(record)

    def detach_one(self, container_id: str, ifname: str, network: str) -> None:
        """See `Attacher.detach_one`. What is recorded as to be removed is removed by the agent, sooner or later."""
        record = self._one(container_id, ifname, network)
        if record is not None:
            self._end(record)

    def check_one(self, container_id: str, ifname: str, network: str, result: Mapping[str, Any]) -> Sequence[Finding]:
        """See `Attacher.check_one`."""
        record = self._one(container_id, ifname, network)
        if record is None:
            return [Finding(code="NotAttached", message=f"nothing is recorded for {ifname} of network {network}")]
        record = self._asked.as_called(record)
        return stated(self._check(by_result(record, result))) if record.common.chained else self._check(record)

    def recorded(self) -> Sequence[RecordedAttachment]:
        """See `Attacher.recorded`."""
        return [
            RecordedAttachment(
                container_id=record.key.container_id,
                ifname=record.key.ifname,
                network=record.attachment.request.network.name,
                chained=record.origin == Origin.ANNOTATION,
            )
            for record in self._journal.records()
        ]

    def resync(self, beat: Callable[[], None] = lambda: None) -> None:
        """Check single networks, and remove those that are half-built or whose namespace is gone: their caller may never say DEL.

        beat: called before each of them, which may take as long as an attach.
        """
        left = [record for record in self._journal.of_cni() if _is_left(record)]
        for record in left:
            beat()
            with suppress(SecnetError):  # it is tried again at the next look
                self._end(record, _is_left)
        self._checks.check([record for record in self._journal.of_cni() if record not in left], beat)

    # Pieces

    def _end(self, record: Record, still: Callable[[Record], bool] = lambda record: True) -> None:
        """Detach, if `still` holds when no other worker has it. Raises what kept it from being recorded as to be removed."""
        try:
            with self._held(record.key.container_id, record.pod, self._worker.call(record)):
                current = self._journal.get(record.key)
                if current is not None and still(current):
                    self._worker.detach(current)
        except SecnetError:
            left = self._journal.get(record.key)
            if left is not None and left.living:
                raise  # only the caller would try it again

    @contextmanager
    def _held(self, container_id: str, pod: PodRef | None, call: Call) -> Iterator[None]:
        with self._controller.hold(queue_key(container_id, pod), call):
            yield

    def _find_pod(self, wanted: PodRef, *, may_be_unknown: bool) -> Mapping[str, Any] | None:
        pod = self._pods.get((wanted.namespace, wanted.name))
        if pod is None or not _is_same(pod, wanted):
            try:
                pod = self._cluster.get("Pod", wanted.name, wanted.namespace)
            except Retryable as exc:
                if not may_be_unknown:
                    raise
                # What the API server itself waits for may run there.
                _log.warning("a Pod starts unseen, as its namespace never waits: %s", exc, extra={"pod": str(wanted)})
                return None
        if not _is_same(pod, wanted):
            raise Gone(
                f"the Pod of that name has the uid {pod_ref(pod).uid} and not {wanted.uid}",
                hint="the runtime ends the sandbox of the earlier Pod by itself",
                subject=f"Pod {wanted}",
            )
        return pod

    def _one(self, container_id: str, ifname: str, network: str) -> Record | None:
        record = self._journal.get(AttachmentId(container_id=container_id, ifname=ifname))
        if record is None or record.origin != Origin.CNI or record.attachment.request.network.name != network:
            return None
        return record

    def _check(self, record: Record) -> Sequence[Finding]:
        return self._worker.findings(record)


def _is_left(record: Record) -> bool:
    """Half-built, or of a namespace that is gone."""
    return not record.living or not lives(record.attachment.request.netns)


def _identified(sandbox: SandboxCall) -> Sandbox:
    netns = identify(sandbox.netns)
    forbid_host(netns)
    return Sandbox(container_id=sandbox.container_id, netns=netns)


def _is_same(pod: Mapping[str, Any], wanted: PodRef) -> bool:
    static = (pod["metadata"].get("annotations") or {}).get(_STATIC_POD_UID)
    return not wanted.uid or wanted.uid in (pod_ref(pod).uid, static)


def _pod_of(records: Sequence[Record]) -> PodKey | None:
    return next(((r.pod.namespace, r.pod.name) for r in records if r.pod is not None), None)
