"""The components that attach, check and remove single networks, joined to each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from secnet.contract import Call, ObjectNotFound

from ..attach.admission import Clearance
from ..attach.cut_off import CutOffInterfaces
from ..attach.layer3 import Layer3
from ..attach.lease_gc import LeaseGarbageCollector
from ..attach.lease_ledgers import CommonLedgers, LeaseLedger, LocalLedger
from ..attach.lease_renewal import LeaseRenewal
from ..attach.leases import Leases
from ..attach.orphan_gc import OrphanGarbageCollector
from ..attach.pipeline import Pipeline
from ..base.logs import attachment_log
from ..model.record import Record
from ..pods.worker import AttachmentWorker
from ..state.agent_ledgers import AgentLedgers
from ..state.sandbox_ledger import SandboxLedger
from ._foundation import Foundation

__all__ = ["Attaching", "wire_attaching"]

_UNDO_SECONDS = 30.0
_LEASE_CHECK_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Attaching:
    """worker: through which all attach. The rest runs in the background."""

    worker: AttachmentWorker
    orphan_gc: OrphanGarbageCollector
    lease_gc: LeaseGarbageCollector
    lease_renewal: LeaseRenewal


def wire_attaching(base: Foundation, clearance: Clearance, cut_off: CutOffInterfaces) -> Attaching:
    """clearance: what forbids every new attachment. cut_off: interfaces without connection."""
    ledger = _ledger(base)
    lease_gc = LeaseGarbageCollector(
        plugins=base.plugins,
        journal=base.journal,
        has_found=lambda key: orphan_gc.has_found(key),
        has_looked=lambda types: orphan_gc.has_looked_at(types or base.registry.drivers),
        sandboxes=base.containers,
        pod_here=lambda namespace, name: _pod_here(base, namespace, name),
        ledger=ledger,
        all_pods=None if base.cluster.traits.free_reads else partial(base.cluster.names, "Pod"),
        agent_namespace=base.settings.agent_namespace,
    )
    pipeline = _pipeline(base, Leases(base.plugins, base.journal, ledger=ledger, lease_gc=lease_gc), clearance)
    orphan_gc = OrphanGarbageCollector(
        plugins=base.plugins, pipeline=pipeline, journal=base.journal, sandboxes=base.containers
    )
    worker = AttachmentWorker(
        pipeline=pipeline,
        journal=base.journal,
        orphan_gc=orphan_gc,
        seconds=base.settings.attach_timeout,
        observers=base.observers,
        metrics=base.metrics,
        cut_off=cut_off.error_of,
        lease_check_seconds=0.0 if base.cluster.traits.free_reads else _LEASE_CHECK_SECONDS,
    )
    return Attaching(
        worker=worker,
        orphan_gc=orphan_gc,
        lease_gc=lease_gc,
        lease_renewal=LeaseRenewal(pipeline, base.journal, base.observers),
    )


def _pipeline(base: Foundation, leases: Leases, clearance: Clearance) -> Pipeline:
    def undo_call(record: Record) -> Call:
        return Call.within(_UNDO_SECONDS, log=attachment_log(record.attachment.request), observers=base.observers)

    return Pipeline(
        plugins=base.plugins,
        journal=base.journal,
        boot_id=base.boot_id,
        layer3=Layer3(),
        undo_call=undo_call,
        leases=leases,
        metrics=base.metrics,
        clearance=clearance,
    )


def _ledger(base: Foundation) -> LeaseLedger:
    settings = base.settings
    if not base.cluster.traits.common_ledgers:
        return LocalLedger(SandboxLedger(settings.state_dir), base.sandboxes.has_ended)
    ledgers = AgentLedgers(settings.state_dir, settings.node_name, settings.owner_tag)
    return CommonLedgers(ledgers, base.boot_id, base.journal.records())


def _pod_here(base: Foundation, namespace: str, name: str) -> bool | None:
    try:
        return base.pods.is_here(base.cluster.get("Pod", name, namespace))
    except ObjectNotFound:
        return None
