"""The components of one agent, made from settings, registry and cluster and joined to each other. Nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from secnet.contract import AttachmentId, SecnetError, StepObserver, Timeout, Unavailable

from ..attach.admission import Clearance
from ..attach.cut_off import CutOffInterfaces
from ..attach.lease_gc import LeaseGarbageCollector
from ..attach.lease_renewal import LeaseRenewal
from ..attach.lease_rounds import LeaseRounds
from ..attach.node_news import NodeNews
from ..attach.node_state import NodeStateReconciler
from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.plugin_calls import Plugins
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..cluster.node_events import NodeEvents
from ..cni.chain_keeper import is_chaining_wanted
from ..cni.install import CHAINED_TYPE
from ..cni.install_flag import InstallFlag
from ..config.settings import Settings
from ..networks.desired import DesiredNetworks
from ..networks.nad_cache import NadCache
from ..networks.object_problems import ObjectProblems
from ..plugins.calls import PluginCalls
from ..plugins.registry import Registry
from ..pods.asked_networks import AskedNetworks
from ..pods.cni_attach import NodeAttacher
from ..pods.controller import Controller
from ..pods.late_nads import LateNads
from ..pods.late_start import LateStart
from ..pods.sandbox_attach import SandboxAttach
from ..pods.single_checks import SingleChecks
from ..pods.stuck_calls import StuckCalls
from ..pods.sync import PodSync
from ..pods.worker import AttachmentWorker
from ..preflight.antrea import AntreaGuard
from ..preflight.multus import Multus
from ..preflight.own_node import OwnNode
from ..sandboxes.cri import RuntimeClient
from ..sandboxes.ownership import NetnsOwnership
from ..state.journal import Journal
from ..state.reports import Reports
from ..status.publisher import Publisher
from ._attaching import wire_attaching
from ._foundation import Foundation, lay_foundation

__all__ = ["Components", "wire"]


@dataclass(frozen=True, kw_only=True)
class Components:
    """What the process starts, asks and stops. read_elsewhere: see `ChainKeeper`."""

    journal: Journal
    reports: Reports
    plugins: Plugins
    object_problems: ObjectProblems
    controller: Controller
    orphan_gc: OrphanGarbageCollector
    lease_gc: LeaseGarbageCollector
    lease_rounds: LeaseRounds
    lease_renewal: LeaseRenewal
    node: NodeStateReconciler
    node_events: NodeEvents
    attacher: NodeAttacher
    antrea: AntreaGuard
    own_node: OwnNode
    multus: Multus
    stuck_calls: StuckCalls
    read_elsewhere: Callable[[], str | None]


def wire(
    settings: Settings,
    registry: Registry,
    cluster: Cluster,
    metrics: Metrics,
    observers: tuple[StepObserver, ...],
    stack: ExitStack,
    calls: PluginCalls | None = None,
) -> Components:
    """Open the journal and make all components. What has to be closed is left to `stack`. calls: see `lay_foundation`."""
    base = lay_foundation(settings, registry, cluster, metrics, observers, stack, calls)
    clearance = Clearance()
    antrea, own_node = _preflight(base, clearance, lambda: controller.retry_waiting(), stack)
    nads = NadCache(registry, shared_namespaces=_shared(settings), limits=settings.limits)
    multus = Multus(settings, on_look=nads.set_multus)
    multus()
    cut_off = CutOffInterfaces(lambda keys: _requeue(base.journal, controller, keys))
    attaching = wire_attaching(base, clearance, cut_off)
    node_events = NodeEvents(cluster, settings.node_name)
    sync, sandbox_attach = _reconcilers(base, attaching.worker, nads, multus)
    object_problems = ObjectProblems(registry, settings.limits)
    publisher = _publisher(base, own_node)
    controller = Controller(
        cluster=cluster,
        journal=base.journal,
        nads=nads,
        object_problems=object_problems,
        pods=base.pods,
        sync=sync,
        source=base.sandboxes,
        publisher=publisher,
        workers=settings.workers,
        waking_kinds=registry.kinds,
        may_begin=partial(_may_begin, own_node, multus),
        limits=settings.limits,
    )
    return Components(
        journal=base.journal,
        reports=base.reports,
        plugins=base.plugins,
        object_problems=object_problems,
        controller=controller,
        orphan_gc=attaching.orphan_gc,
        lease_gc=attaching.lease_gc,
        lease_rounds=LeaseRounds(attaching.lease_gc),
        lease_renewal=attaching.lease_renewal,
        node=NodeStateReconciler(
            plugins=base.plugins,
            settings=settings,
            journal=base.journal,
            reports=base.reports,
            on_better=lambda _: controller.retry_waiting(),
            cut_off=cut_off,
            news=NodeNews(node_events.record),
        ),
        node_events=node_events,
        attacher=_attacher(base, controller, sandbox_attach, attaching.worker, own_node, nads),
        antrea=antrea,
        own_node=own_node,
        multus=multus,
        stuck_calls=StuckCalls(
            calls=base.plugins.calls,
            controller=controller,
            pods=base.pods,
            journal=base.journal,
            publisher=publisher,
            on_node=partial(node_events.record, True),
        ),
        read_elsewhere=partial(_read_elsewhere, base.runtime),
    )


def _requeue(journal: Journal, controller: Controller, keys: Collection[AttachmentId]) -> None:
    """The Pods of interfaces of which something else is to be reported. Callers of the CNI plugin see it at the next check."""
    for key in keys:
        record = journal.get(key)
        if record is not None and record.pod is not None:
            controller.enqueue((record.pod.namespace, record.pod.name))


def _preflight(
    base: Foundation, clearance: Clearance, on_clear: Callable[[], None], stack: ExitStack
) -> tuple[AntreaGuard, OwnNode]:
    reader = base.cluster.reader()
    antrea = AntreaGuard(reader, on_clear=on_clear, forbid=clearance.slot("foreign Antrea agent"))
    stack.callback(antrea.close)
    return antrea, OwnNode(
        reader,
        base.settings.node_name,
        boot_id=base.boot_id,
        relisted=base.cluster.relisted,
        forbid=clearance.slot("own Node"),
    )


def _reconcilers(
    base: Foundation, worker: AttachmentWorker, nads: NadCache, multus: Multus
) -> tuple[PodSync, SandboxAttach]:
    """The asynchronous and the chained way of one worker, over one ownership of the namespaces."""
    desired = DesiredNetworks(nads, base.registry, called=base.journal.called_networks)
    ownership = NetnsOwnership(
        (r.attachment.request.netns, (r.pod.namespace, r.pod.name))
        for r in base.journal.records()
        if r.pod and r.boot_id == base.boot_id
    )
    sync = PodSync(
        worker=worker,
        journal=base.journal,
        desired=desired,
        devices=base.devices,
        source=base.sandboxes,
        ownership=ownership,
        awaited=base.cluster.traits.containers_wait,
        late_start=_late_start(base, multus),
    )
    return sync, SandboxAttach(
        worker=worker,
        journal=base.journal,
        desired=desired,
        devices=base.devices,
        ownership=ownership,
        late_nads=LateNads(base.cluster, nads),
    )


def _read_elsewhere(runtime: RuntimeClient | None) -> str | None:
    """See `ChainKeeper`. A runtime that refuses to say has nothing against what was written."""
    try:
        network = None if runtime is None else runtime.loaded_network()
    except (Unavailable, Timeout):
        return None
    except SecnetError:
        return ""
    return "" if network is None or CHAINED_TYPE in network.types else network.conf_dir


def _late_start(base: Foundation, multus: Multus) -> LateStart | None:
    """None where no runtime starts the Pods, and where no plugin is ever chained."""
    if base.cluster.traits.trusts_annotations or base.settings.cni is None:
        return None
    flag = InstallFlag(base.settings.run_dir)
    return LateStart(
        chaining=partial(is_chaining_wanted, base.settings.cni, flag, multus),
        called=lambda container_id: base.sandboxes.pod_of(container_id) is not None,
    )


def _attacher(
    base: Foundation,
    controller: Controller,
    sandbox_attach: SandboxAttach,
    worker: AttachmentWorker,
    own_node: OwnNode,
    nads: NadCache,
) -> NodeAttacher:
    asked = AskedNetworks(base.pods, nads, base.cluster.record_event)
    checks = SingleChecks(worker=worker, journal=base.journal, reports=base.reports, hold=controller.hold, asked=asked)
    return NodeAttacher(
        cluster=base.cluster,
        controller=controller,
        pods=base.pods,
        cni_sandboxes=base.sandboxes,
        sandboxes=sandbox_attach,
        worker=worker,
        journal=base.journal,
        registry=base.registry,
        checks=checks,
        asked=asked,
        deadline=base.settings.attach_timeout,
        limits=base.settings.limits,
        refusal=own_node.refusal,
    )


def _publisher(base: Foundation, own_node: OwnNode) -> Publisher:
    def is_here(pod: Mapping[str, Any]) -> bool:
        """Whether a Pod of which no agent here ever knew anything is surely this node's."""
        return not base.cluster.traits.shared or own_node.is_sure() or base.sandboxes.container_of(pod) is not None

    return Publisher(
        cluster=base.cluster,
        pods=base.pods,
        reports=base.reports,
        owner_tag=base.settings.owner_tag,
        recorded=[record.pod for record in base.journal.records() if record.pod is not None],
        is_here=is_here,
    )


def _shared(settings: Settings) -> frozenset[str] | None:
    return None if settings.kubernetes is None else settings.kubernetes.shared_namespaces


def _may_begin(own_node: OwnNode, multus: Multus) -> bool:
    """Whether Pods may be worked on. Multus may have come up since the start of the agent, while the objects were listed."""
    multus()
    return own_node.may_begin()
