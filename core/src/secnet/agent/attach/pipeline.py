"""Attach, check, repair and detach of single attachments, once for every driver, each under the locks that it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager

from secnet.contract import Attachment, AttachmentId, Call, CheckReport, Finding

from ..base.locks import KeyLocks
from ..base.metrics import Metrics
from ..model.record import Phase, Record
from ..model.work import Work
from ..state.journal import Journal
from ._repair import repair, repairable
from ._steps import Steps
from .admission import Admission, Clearance
from .layer3 import Layer3
from .leases import Leases
from .plugin_calls import Plugins

__all__ = ["Pipeline", "repairable"]


class Pipeline:
    """Attaches, checks and detaches. Thread-safe for different sandboxes; the queue keeps one sandbox serial.

    No other part has a driver attach or detach: here are the locks of what an attachment takes alone, and its own. A holder
    of one of them calls nothing that might wait for a Pod or a network type.

    undo_call: makes the Call for an undo: its own deadline, and not cancelled, whatever ended the attach.
    verify_seconds: how long an attachment may take to read back as written.
    metrics: gets every operation and its phases; None for none.
    clearance: what forbids every new attachment.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        journal: Journal,
        boot_id: str,
        layer3: Layer3,
        undo_call: Callable[[Record], Call],
        leases: Leases | None = None,
        verify_seconds: float = 5.0,
        metrics: Metrics | None = None,
        clearance: Clearance | None = None,
    ) -> None:
        self._plugins = plugins
        self._journal = journal
        self._boot_id = boot_id
        self._metrics = metrics or Metrics()
        self._admission = Admission(plugins=plugins, journal=journal, clearance=clearance or Clearance())
        self._locks = KeyLocks()
        self._leases = leases or Leases(plugins, journal)
        self._steps = Steps(
            plugins=plugins,
            journal=journal,
            boot_id=boot_id,
            layer3=layer3,
            undo_call=undo_call,
            leases=self._leases,
            verify_seconds=verify_seconds,
            metrics=self._metrics,
        )

    def attach(self, work: Work, call: Call) -> Record:
        """Make one attachment and return its ATTACHED record. On failure everything is undone before the error is raised."""
        network_type = work.request.network_type
        with self._metrics.operation("attach", network_type):
            locks = self._admission.locks(work)
            with self._hold(locks, work.key, call):
                return self._steps.realise_or_undo(self._plan(work, locks, call), call)

    def plan(self, work: Work, call: Call) -> Record:
        """The first half of `attach`: plan, and record the plan. No address is taken, and nothing on the host changes.

        `finish` is the second half. `detach` drops the plan; until then it holds the exclusive resources of the attachment.
        """
        locks = self._admission.locks(work)
        with self._hold(locks, work.key, call):
            return self._plan(work, locks, call)

    def finish(self, planned: Record, call: Call) -> Record:
        """The second half of `attach`, for the record that `plan` returned. On failure everything is undone, the plan too."""
        with self._metrics.operation("attach", planned.network_type), self._hold(planned.locks, planned.key, call):
            return self._steps.realise_or_undo(planned, call)

    def detach(self, record: Record, call: Call) -> None:
        """Remove an attachment in any phase and give its addresses back. On error the record stays and it can be repeated."""
        with self._metrics.operation("detach", record.network_type), self._hold(record.locks, record.key, call):
            self._steps.remove(record, call)

    def detach_unrecorded(self, found: Attachment, call: Call, *, wait: bool) -> bool:
        """Have the driver remove what an inventory found and no record knows; whether it did.

        By the time the locks are held it may have a record, or another attachment's record what it took alone: it stays then.
        wait: for the holder of the locks; without it that is Busy.
        """
        network_type = found.request.network_type
        locks = self._admission.taken_alone(found.request)
        with self._hold(locks, found.key, call if wait else Call(cancel=call.cancel)):
            if self._journal.get(found.key) is not None or self._journal.holder(locks, besides=found.key) is not None:
                return False
            self._plugins.driver(network_type).detach(found, call)
        return True

    def repair(self, record: Record, call: Call) -> Record:
        """Repair a living attachment from its record, with the same addresses; see `_repair`. Whatever happens they are kept.

        Raises NotReady, with everything left as it is, while what it stands on (a bridge) is missing itself.
        """
        self._admission.require(record.attachment.request)
        with self._metrics.operation("repair", record.network_type), self._hold(record.locks, record.key, call):
            return repair(self._steps, self._journal.get(record.key) or record, call)

    def check(self, record: Record, call: Call) -> CheckReport:
        """Compare the host with a record, read-only: the driver's part and the layer-3 part."""
        return self._steps.check(record, call)

    def renew_lease(self, record: Record, call: Call) -> bool:
        """Renew the lease of an attachment and record it; whether it changed. Raises Busy while its Pod is worked on."""
        with self._hold((), record.key, Call(cancel=call.cancel)):
            if self._journal.get(record.key) != record:
                return False
            lease = self._leases.renew(record, call)
            if lease is None or lease == record.attachment.lease:
                return False
            attachment = dataclasses.replace(record.attachment, lease=lease)
            self._steps.write(record.replace(attachment=attachment), "journal.lease", call)
        return True

    def check_lease(self, record: Record, call: Call) -> tuple[Finding, ...]:
        """See `Leases.check`."""
        return self._leases.check(record, call)

    def _plan(self, work: Work, locks: tuple[str, ...], call: Call) -> Record:
        self._admission.refuse_held(work, locks)
        network_type = work.request.network_type
        with self._metrics.phase("attach", network_type, "plan"):
            attachment = self._plugins.driver(network_type).plan(work.request, call)
        record = Record(
            phase=Phase.PLANNED,
            boot_id=self._boot_id,
            attachment=attachment,
            selection_id=work.selection_id,
            attachment_options=work.attachment_options,
            ipam=work.ipam,
            ipam_type=work.ipam_type,
            locks=locks,
            nad_generation=work.nad_generation,
            origin=work.origin,
            common=work.common,
            late=work.late,
        )
        with call.step("journal.plan", key=str(record.key)):
            self._journal.write(record)
        return record

    def _hold(self, locks: tuple[str, ...], key: AttachmentId, call: Call) -> AbstractContextManager[None]:
        return self._locks.hold((*locks, f"interface {key}"), call)
