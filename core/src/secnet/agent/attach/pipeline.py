"""One attachment from plan to record, and back: the order of work of docs/architecture.md, once for every driver.

The record is written before the act it names. There is one undo path: on any failure, cancellation or restart the core calls
`detach` with the plan it wrote down (R1, R2).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachResult,
    Call,
    CheckReport,
    Finding,
    IpamLease,
    IpamRequest,
    NotReady,
    SecnetError,
    VerifyFailed,
)
from secnet.linux.rtnl import reading_together

from ..base.backoff import Backoff
from ..base.locks import KeyLocks
from ..base.metrics import Metrics
from ..devices.pci import device_info
from ..model.record import Phase, Record
from ..model.work import Work
from ..state.journal import Journal
from ._vlan import resolve_vlan
from .admission import Admission, Clearance
from .layer3 import Layer3
from .leases import Leases
from .plugin_calls import Plugins

__all__ = ["Pipeline"]

_log = logging.getLogger(__name__)

_VERIFY_PAUSES = (0.02, 0.5)


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
        self._layer3 = layer3
        self._undo_call = undo_call
        self._verify_seconds = verify_seconds
        self._metrics = metrics or Metrics()
        self._admission = Admission(plugins=plugins, journal=journal, clearance=clearance or Clearance())
        self._locks = KeyLocks()
        self._leases = leases or Leases(plugins, journal)

    def attach(self, work: Work, call: Call) -> Record:
        """Make one attachment and return its ATTACHED record. On failure everything is undone before the error is raised."""
        network_type = work.request.network_type
        with self._metrics.operation("attach", network_type):
            locks = self._admission.locks(work)
            with self._hold(locks, work.key, call):
                return self._realise_or_undo(self._plan(work, locks, call), call)

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
            return self._realise_or_undo(planned, call)

    def detach(self, record: Record, call: Call) -> None:
        """Remove an attachment in any phase and give its addresses back. On error the record stays and it can be repeated."""
        with self._metrics.operation("detach", record.network_type), self._hold(record.locks, record.key, call):
            self._remove(record, call)

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

    def repair(self, record: Record, work: Work, call: Call) -> Record:
        """Repair an attachment by a new attach, without releasing its addresses.

        Raises NotReady, with everything left as it is, while what the new one needs (a bridge) is missing itself.
        """
        self._admission.require(work)
        with self._hold(record.locks, record.key, call):
            if work.ipam_type != record.ipam_type:  # the NAD was edited: nothing would release the old lease later
                self._remove(record, call)
            else:
                self._require_ready(work, call)
                record = self._write(record.replace(phase=Phase.DETACHING), "journal.detach", call)
                self._take_away(record, call)
        return self.attach(work, call)

    def _require_ready(self, work: Work, call: Call) -> None:
        """Ask for a plan before anything is removed: an attach that fails would release the addresses of a living Pod."""
        try:
            self._plugins.driver(work.request.network_type).plan(work.request, call)
        except NotReady:
            raise
        except SecnetError:
            return  # whatever the damage is that it met (a device held by the old record, say), the real plan comes later

    def check(self, record: Record, call: Call) -> CheckReport:
        """Compare the host with a record, read-only: the driver's part and the layer-3 part."""
        with self._metrics.operation("check", record.network_type), reading_together():
            attachment = record.attachment
            report = self._plugins.driver(record.network_type).check(attachment, call)
            if record.result is not None and not record.result.netdev:
                return report
            return CheckReport(
                findings=report.findings + self._layer3.check(attachment, record.attachment_options, call)
            )

    def renew_lease(self, record: Record, call: Call) -> bool:
        """Renew the lease of an attachment and record it; whether it changed. Raises Busy while its Pod is worked on."""
        with self._hold((), record.key, Call(cancel=call.cancel)):
            if self._journal.get(record.key) != record:
                return False
            lease = self._leases.renew(record, call)
            if lease is None or lease == record.attachment.lease:
                return False
            attachment = dataclasses.replace(record.attachment, lease=lease)
            self._write(record.replace(attachment=attachment), "journal.lease", call)
        return True

    def check_lease(self, record: Record, call: Call) -> tuple[Finding, ...]:
        """See `Leases.check`."""
        return self._leases.check(record, call)

    def _plan(self, work: Work, locks: tuple[str, ...], call: Call) -> Record:
        self._admission.refuse_held(work, locks)
        with self._phase("plan", work.request.network_type):
            attachment = self._plugins.driver(work.request.network_type).plan(work.request, call)
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
        )
        return self._write(record, "journal.plan", call)

    def _realise_or_undo(self, record: Record, call: Call) -> Record:
        try:
            return self._realise(record, call)
        except BaseException:
            self._undo(record.key)
            raise

    def _realise(self, record: Record, call: Call) -> Record:
        phase = self._ipam_phase(record)
        lease = self._lease(record, call) if phase == "before_link" else None
        record = self._write(self._bind(record, lease).replace(phase=Phase.ATTACHING), "journal.attach", call)
        with self._phase("attach", record.network_type):
            result = self._plugins.driver(record.network_type).attach(record.attachment, call)
        device = record.attachment.request.device
        if result.device_info is None and device is not None:
            result = dataclasses.replace(result, device_info=device_info(device.id))
        record = record.replace(result=result)
        if result.netdev:
            with self._phase("layer3", record.network_type):
                prior = self._layer3.prior(record.attachment, record.attachment_options)
                if prior:
                    record = self._write(record.replace(layer3=prior), "journal.layer3", call)
                self._layer3.apply(record.attachment, result, record.attachment_options, call)
        if phase == "after_link":
            record = self._allocate_after_link(record, result, call)
        with self._phase("verify", record.network_type):
            self._verify(record, call)
        return self._write(record.replace(phase=Phase.ATTACHED), "journal.attached", call)

    def _allocate_after_link(self, record: Record, result: AttachResult, call: Call) -> Record:
        assert record.ipam is not None
        request = IpamRequest(
            owner=record.ipam.owner,
            network=record.ipam.network,
            config=record.ipam.config,
            ips=record.ipam.ips,
            netns=record.attachment.request.netns,
            mac=result.mac,
        )
        record = record.replace(ipam=request)
        record = self._write(self._bind(record, self._lease(record, call)), "journal.lease", call)
        self._layer3.apply(record.attachment, result, record.attachment_options, call)
        return record

    def _lease(self, record: Record, call: Call) -> IpamLease | None:
        with self._phase("allocate", record.network_type):
            return self._leases.allocate(record.ipam, record.ipam_type, call)

    def _bind(self, record: Record, lease: IpamLease | None) -> Record:
        info = self._plugins.driver_plugin(record.network_type).info
        vlan = resolve_vlan(info, record.attachment, lease)
        return record.replace(attachment=record.attachment.bind(lease, vlan))

    def _ipam_phase(self, record: Record) -> str | None:
        return self._plugins.backend_plugin(record.ipam_type).info.phase if record.ipam_type else None

    def _verify(self, record: Record, call: Call) -> None:
        backoff, waited = Backoff(*_VERIFY_PAUSES, jitter=0), 0.0
        while not (report := self.check(record, call)).clean:
            if waited >= self._verify_seconds:
                text = "; ".join(finding.message for finding in report.findings)
                raise VerifyFailed(
                    f"the interface does not read back as written: {text}", subject=f"interface {record.key.ifname}"
                )
            pause = backoff.delay()
            call.sleep(pause)
            waited += pause

    def _undo(self, key: AttachmentId) -> None:
        record = self._journal.get(key)
        if record is None:
            return
        call = self._undo_call(record)
        try:
            with self._metrics.operation("undo", record.network_type):
                self._remove(record, call)
        except SecnetError as exc:
            call.log.warning("what a failed attach had begun could not be removed yet, it is tried again: %s", exc)

    def _remove(self, record: Record, call: Call) -> None:
        if record.phase != Phase.DETACHING:
            record = self._write(record.replace(phase=Phase.DETACHING), "journal.detach", call)
        after_link = self._ipam_phase(record) == "after_link"
        if after_link:
            self._leases.release(record, call)
        self._take_away(record, call)
        if not after_link:
            self._leases.release(record, call)
        with call.step("journal.remove", key=str(record.key)):
            self._journal.remove(record.key)

    def _take_away(self, record: Record, call: Call) -> None:
        if record.boot_id != self._boot_id:
            return  # the kernel objects died with that boot; what outlived it carries its owner and is found by inventory
        self._plugins.driver(record.network_type).detach(record.attachment, call)
        self._layer3.restore(record.attachment, record.layer3, call)

    def _hold(self, locks: tuple[str, ...], key: AttachmentId, call: Call) -> AbstractContextManager[None]:
        return self._locks.hold((*locks, f"interface {key}"), call)

    def _write(self, record: Record, step: str, call: Call) -> Record:
        with call.step(step, key=str(record.key)):
            self._journal.write(record)
        return record

    def _phase(self, phase: str, network_type: str) -> AbstractContextManager[object]:
        return self._metrics.phase("attach", network_type, phase)
