"""The parts of one agent, made from settings, registry and cluster and joined to each other. Nothing runs yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from secnet.contract import Call, ObjectNotFound, StepObserver

from ..attach.admission import Clearance
from ..attach.layer3 import Layer3
from ..attach.lease_gc import LeaseGarbageCollector
from ..attach.lease_renewal import LeaseRenewal
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
from ..model.pod import PodKey
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
    lease_gc: LeaseGarbageCollector
    lease_renewal: LeaseRenewal
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
    """Open the journal and make all components. What has to be closed is left to `stack`."""
    journal = _open_journal(settings)
    reports = Reports(settings.run_dir)
    reports.write_problems(())
    plugins = Plugins(registry, settings, cluster)
    stack.callback(plugins.close)
    pods = PodTable(settings.node_name)
    sandboxes = CniSandboxCache(_sandbox_source(settings, cluster, stack))
    containers = partial(_containers, pods, sandboxes, journal)
    clearance = Clearance()
    reader = cluster.reader()
    antrea = AntreaGuard(
        reader, on_clear=lambda: controller.retry_waiting(), forbid=clearance.slot("foreign Antrea agent")
    )
    stack.callback(antrea.close)
    own_node = OwnNode(
        reader,
        settings.node_name,
        boot_id=current_boot_id(),
        relisted=cluster.relisted,
        forbid=clearance.slot("own Node"),
    )
    nads = NadCache(registry, shared_namespaces=_shared(settings))
    multus = Multus(settings, on_look=nads.set_multus)
    multus()
    served = SandboxLedger(settings.state_dir) if cluster.traits.shared else None
    lease_gc = LeaseGarbageCollector(
        plugins=plugins,
        journal=journal,
        has_found=lambda key: orphan_gc.has_found(key),
        sandboxes=containers,
        pod_here=partial(_pod_here, cluster, pods),
        has_ended=sandboxes.has_ended,
        served=served,
        looks=_LOOKS_AT_PODS_ELSEWHERE if cluster.traits.shared else None,
    )
    leases = Leases(plugins, journal, served=served, lease_gc=lease_gc)
    pipeline = _pipeline(plugins, journal, leases, metrics, clearance, observers)
    orphan_gc = OrphanGarbageCollector(plugins=plugins, pipeline=pipeline, journal=journal, sandboxes=containers)
    worker = AttachmentWorker(
        pipeline=pipeline,
        journal=journal,
        orphan_gc=orphan_gc,
        seconds=settings.attach_timeout,
        observers=observers,
        lease_check_seconds=0.0 if cluster.traits.free_reads else _LEASE_CHECK_SECONDS,
    )
    sync, sandbox_attach = _reconcilers(
        worker,
        journal,
        DesiredNetworks(nads, registry, called=journal.called_networks),
        DeviceAllocator(_device_source(settings, cluster, stack), journal),
        sandboxes,
        awaited=cluster.traits.containers_wait,
    )
    object_problems = ObjectProblems(registry)
    controller = Controller(
        cluster=cluster,
        journal=journal,
        nads=nads,
        object_problems=object_problems,
        pods=pods,
        sync=sync,
        source=sandboxes,
        publisher=_publisher(
            settings, cluster, pods, reports, journal, partial(_is_here, cluster, own_node, sandboxes)
        ),
        workers=settings.workers,
        waking_kinds=registry.kinds,
        may_begin=partial(_may_begin, own_node, multus),
    )
    attacher = NodeAttacher(
        cluster=cluster,
        controller=controller,
        pods=pods,
        cni_sandboxes=sandboxes,
        sandboxes=sandbox_attach,
        worker=worker,
        journal=journal,
        registry=registry,
        checks=SingleChecks(worker=worker, journal=journal, reports=reports, hold=controller.hold),
        deadline=settings.attach_timeout,
        refusal=own_node.refusal,
    )
    return Components(
        journal=journal,
        reports=reports,
        plugins=plugins,
        object_problems=object_problems,
        controller=controller,
        orphan_gc=orphan_gc,
        lease_gc=lease_gc,
        lease_renewal=LeaseRenewal(pipeline, journal, observers),
        node=NodeStateReconciler(
            plugins=plugins, settings=settings, reports=reports, on_ready=lambda _: controller.retry_waiting()
        ),
        attacher=attacher,
        antrea=antrea,
        own_node=own_node,
        multus=multus,
    )


def _open_journal(settings: Settings) -> Journal:
    journal = Journal(settings.run_dir / "journal")
    for problem in journal.problems():
        _log.error("%s", problem)
    journal.disown(current_boot_id())
    return journal


def _pipeline(
    plugins: Plugins,
    journal: Journal,
    leases: Leases,
    metrics: Metrics,
    clearance: Clearance,
    observers: tuple[StepObserver, ...],
) -> Pipeline:
    def undo_call(record: Record) -> Call:
        return Call.within(_UNDO_SECONDS, log=attachment_log(record.attachment.request), observers=observers)

    return Pipeline(
        plugins=plugins,
        journal=journal,
        boot_id=current_boot_id(),
        layer3=Layer3(),
        undo_call=undo_call,
        leases=leases,
        metrics=metrics,
        clearance=clearance,
    )


def _reconcilers(
    worker: AttachmentWorker,
    journal: Journal,
    desired: DesiredNetworks,
    devices: DeviceAllocator,
    source: SandboxSource,
    *,
    awaited: bool,
) -> tuple[PodSync, SandboxAttach]:
    """The asynchronous and the chained way of one worker, over one ownership of the namespaces."""
    boot_id = current_boot_id()
    ownership = NetnsOwnership(
        (r.attachment.request.netns, (r.pod.namespace, r.pod.name))
        for r in journal.records()
        if r.pod and r.boot_id == boot_id
    )
    sync = PodSync(
        worker=worker,
        journal=journal,
        desired=desired,
        devices=devices,
        source=source,
        ownership=ownership,
        awaited=awaited,
    )
    return sync, SandboxAttach(worker=worker, journal=journal, desired=desired, devices=devices, ownership=ownership)


def _publisher(
    settings: Settings,
    cluster: Cluster,
    pods: PodTable,
    reports: Reports,
    journal: Journal,
    is_here: Callable[[Mapping[str, Any]], bool],
) -> Publisher:
    return Publisher(
        cluster=cluster,
        pods=pods,
        reports=reports,
        owner_tag=settings.owner_tag,
        recorded=[record.pod for record in journal.records() if record.pod is not None],
        is_here=is_here,
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


def _containers(pods: PodTable, source: SandboxSource, journal: Journal) -> dict[PodKey, str | None]:
    return pods.containers(source, set(journal.of_pods()))


def _is_here(cluster: Cluster, own_node: OwnNode, source: SandboxSource, pod: Mapping[str, Any]) -> bool:
    """Whether a Pod of which no agent here ever knew anything is surely this node's."""
    return not cluster.traits.shared or own_node.is_sure() or source.container_of(pod) is not None


def _may_begin(own_node: OwnNode, multus: Multus) -> bool:
    """Whether Pods may be worked on. Multus may have come up since the start of the agent, while the objects were listed."""
    multus()
    return own_node.may_begin()


def _pod_here(cluster: Cluster, pods: PodTable, namespace: str, name: str) -> bool | None:
    try:
        return pods.is_here(cluster.get("Pod", name, namespace))
    except ObjectNotFound:
        return None
