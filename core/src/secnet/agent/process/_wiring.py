"""The parts of one agent, made from settings, registry and cluster and joined to each other. Nothing runs yet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from secnet.contract import AttachRequest, Call, ObjectNotFound, StepObserver

from ..attach.layer3 import Layer3
from ..attach.lease_gc import LeaseGarbageCollector
from ..attach.leases import Leases
from ..attach.node_state import NodeStateReconciler
from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.pipeline import Pipeline
from ..attach.plugin_calls import Plugins
from ..base.logs import attachment_log
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..config.settings import Settings
from ..devices import AnnotatedDevices, DeviceAllocator, DeviceSource, KubeletDevices
from ..model.record import Record
from ..model.sandbox import SandboxSource
from ..networks.desired import DesiredNetworks
from ..networks.nad_cache import NadCache
from ..networks.object_problems import ObjectProblems
from ..plugins.registry import Registry
from ..pods.cni_attach import NodeAttacher
from ..pods.controller import Controller
from ..pods.sandbox_attach import SandboxAttach
from ..pods.single_checks import SingleChecks
from ..pods.sync import PodSync
from ..pods.worker import AttachmentWorker
from ..preflight.antrea import AntreaGuard
from ..preflight.multus import Multus
from ..preflight.own_node import OwnNode
from ..sandboxes.cni_cache import CniSandboxCache
from ..sandboxes.cri import CriSandboxes, RuntimeClient
from ..sandboxes.named import NamedNetns
from ..sandboxes.ownership import NetnsOwnership
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from ..state.reports import Reports
from ..state.run_dir import current_boot_id
from ..state.sandbox_ledger import SandboxLedger
from ..status.publisher import Publisher

__all__ = ["Components", "wire"]

_log = logging.getLogger(__name__)

_UNDO_SECONDS = 30.0
_LEASE_CHECK_SECONDS = 900.0
_LOOKS_AT_PODS_ELSEWHERE = 20


@dataclass(frozen=True, kw_only=True)
class Components:
    """What the process starts, asks and stops."""

    journal: Journal
    reports: Reports
    plugins: Plugins
    object_problems: ObjectProblems
    controller: Controller
    orphan_gc: OrphanGarbageCollector
    stale: LeaseGarbageCollector
    node: NodeStateReconciler
    attacher: NodeAttacher
    antrea: AntreaGuard
    own_node: OwnNode
    multus: Multus


def wire(
    settings: Settings,
    registry: Registry,
    cluster: Cluster,
    metrics: Metrics,
    observers: tuple[StepObserver, ...],
    stack: ExitStack,
) -> Components:
    """Open the journal and make all parts. What has to be closed is left to `stack`."""
    journal = Journal(settings.run_dir / "journal")
    for problem in journal.problems():
        _log.error("%s", problem)
    boot_id = current_boot_id()
    journal.disown(boot_id)
    reports = Reports(settings.run_dir)
    reports.write_problems(())
    plugins = Plugins(registry, settings, cluster)
    stack.callback(plugins.close)

    def attach_call(request: AttachRequest, cancel: threading.Event, *, awaited: bool = True) -> Call:
        log = attachment_log(request)
        return Call.within(settings.attach_timeout, cancel=cancel, log=log, observers=observers, awaited=awaited)

    def undo_call(record: Record) -> Call:
        return Call.within(_UNDO_SECONDS, log=attachment_log(record.attachment.request), observers=observers)

    pods = PodTable(settings.node_name)
    multus = Multus(settings)
    nads = NadCache(registry, shared_namespaces=_shared(settings), multus=multus)
    desired = DesiredNetworks(nads, registry, called=journal.called_networks)
    cni_sandboxes = CniSandboxCache(_sandbox_source(settings, cluster, stack))
    reader = cluster.reader()
    antrea = AntreaGuard(reader, on_clear=lambda: controller.retry_waiting())
    stack.callback(antrea.close)
    served = SandboxLedger(settings.state_dir) if cluster.traits.shared else None
    stale = LeaseGarbageCollector(
        plugins=plugins,
        journal=journal,
        has_found=lambda key: orphan_gc.has_found(key),
        sandboxes=lambda: controller.sandboxes(),
        pod_here=lambda namespace, name: _pod_here(cluster, pods, namespace, name),
        has_ended=cni_sandboxes.has_ended,
        served=served,
        looks=_LOOKS_AT_PODS_ELSEWHERE if cluster.traits.shared else None,
    )
    own_node = OwnNode(reader, settings.node_name, boot_id=boot_id, relisted=cluster.relisted)

    def require_clear() -> None:
        own_node.require_own()
        antrea.require_clear()

    pipeline = Pipeline(
        plugins=plugins,
        journal=journal,
        boot_id=boot_id,
        layer3=Layer3(),
        undo_call=undo_call,
        leases=Leases(plugins, journal, served=served, stale=stale),
        metrics=metrics,
        require_clear=require_clear,
    )
    orphan_gc = OrphanGarbageCollector(
        plugins=plugins, pipeline=pipeline, journal=journal, sandboxes=lambda: controller.sandboxes()
    )
    asking = 0.0 if cluster.traits.free_reads else _LEASE_CHECK_SECONDS
    worker = AttachmentWorker(
        pipeline=pipeline, journal=journal, orphan_gc=orphan_gc, make_call=attach_call, lease_check_seconds=asking
    )
    devices = DeviceAllocator(_device_source(settings, cluster, stack), journal)
    ownership = _ownership(journal, boot_id)
    sync = PodSync(
        worker=worker,
        journal=journal,
        desired=desired,
        devices=devices,
        source=cni_sandboxes,
        ownership=ownership,
        awaited=cluster.traits.containers_wait,
    )

    def is_here(pod: Mapping[str, Any]) -> bool:
        return not cluster.traits.shared or own_node.is_sure() or cni_sandboxes.container_of(pod) is not None

    publisher = Publisher(
        cluster=cluster,
        pods=pods,
        reports=reports,
        owner_tag=settings.owner_tag,
        recorded=[record.pod for record in journal.records() if record.pod is not None],
        is_here=is_here,
    )
    object_problems = ObjectProblems(registry)
    controller = Controller(
        cluster=cluster,
        journal=journal,
        nads=nads,
        object_problems=object_problems,
        pods=pods,
        sync=sync,
        source=cni_sandboxes,
        publisher=publisher,
        workers=settings.workers,
        may_begin=own_node.may_begin,
    )
    attacher = NodeAttacher(
        cluster=cluster,
        controller=controller,
        pods=pods,
        cni_sandboxes=cni_sandboxes,
        sandboxes=SandboxAttach(worker=worker, journal=journal, desired=desired, devices=devices, ownership=ownership),
        worker=worker,
        journal=journal,
        registry=registry,
        checks=SingleChecks(worker=worker, journal=journal, reports=reports, hold=controller.hold),
        deadline=settings.attach_timeout,
        refusal=own_node.refusal,
    )
    node = NodeStateReconciler(
        plugins=plugins, settings=settings, reports=reports, on_ready=lambda _: controller.retry_waiting()
    )
    return Components(
        journal=journal,
        reports=reports,
        plugins=plugins,
        object_problems=object_problems,
        controller=controller,
        orphan_gc=orphan_gc,
        stale=stale,
        node=node,
        attacher=attacher,
        antrea=antrea,
        own_node=own_node,
        multus=multus,
    )


def _sandbox_source(settings: Settings, cluster: Cluster, stack: ExitStack) -> SandboxSource:
    """Only manifests may name a namespace: in a cluster a Pod's author could name the host's, or another Pod's."""
    if cluster.traits.trusts_annotations:
        return NamedNetns()
    client = RuntimeClient(settings.cri_socket)
    stack.callback(client.close)
    return CriSandboxes(client)


def _device_source(settings: Settings, cluster: Cluster, stack: ExitStack) -> DeviceSource:
    """As with namespaces: only manifests may name devices."""
    if cluster.traits.trusts_annotations:
        return AnnotatedDevices()
    client = KubeletDevices(settings.pod_resources)
    stack.callback(client.close)
    return client


def _shared(settings: Settings) -> frozenset[str] | None:
    return None if settings.kubernetes is None else settings.kubernetes.shared_namespaces


def _ownership(journal: Journal, boot_id: str) -> NetnsOwnership:
    return NetnsOwnership(
        (r.attachment.request.netns, (r.pod.namespace, r.pod.name))
        for r in journal.records()
        if r.pod and r.boot_id == boot_id
    )


def _pod_here(cluster: Cluster, pods: PodTable, namespace: str, name: str) -> bool | None:
    try:
        return pods.is_here(cluster.get("Pod", name, namespace))
    except ObjectNotFound:
        return None
