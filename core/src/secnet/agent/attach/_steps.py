"""The steps of one attachment, in the order of docs/architecture.md. The caller holds the attachment's locks.

The record is written before the act it names. There is one undo path: on any failure, cancellation or restart the core calls
`detach` with the plan it wrote down (R1, R2).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager

from secnet.contract import (
    AttachmentId,
    AttachResult,
    Call,
    CheckReport,
    ContractViolation,
    Finding,
    IpamLease,
    IpamRequest,
    SecnetError,
    VerifyFailed,
)
from secnet.linux.rtnl import pod_rtnl, reading_together

from ..base.backoff import Backoff
from ..base.metrics import Metrics
from ..devices.pci import device_info
from ..model.record import Phase, Record
from ..state.journal import Journal
from ._vlan import resolve_vlan
from .layer3 import Layer3
from .leases import Leases
from .mtu import require_mtu
from .plugin_calls import Plugins

__all__ = ["Steps", "require_settled"]

_SETTLE_PAUSES = (0.02, 0.5)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """undo_call: makes the Call for an undo: its own deadline, and not cancelled, whatever ended the attach.

    verify_seconds: how long an attachment may take to read back as written.
    """

    plugins: Plugins
    journal: Journal
    boot_id: str
    layer3: Layer3
    undo_call: Callable[[Record], Call]
    leases: Leases
    verify_seconds: float
    metrics: Metrics

    def realise_or_undo(self, record: Record, call: Call) -> Record:
        """From the recorded plan to the ATTACHED record. On failure everything is undone, the plan too."""
        try:
            return self._realise(record, call)
        except BaseException:
            self._undo(record.key)
            raise

    def _realise(self, record: Record, call: Call) -> Record:
        phase = self._ipam_phase(record)
        lease = self._lease(record, call) if phase == "before_link" else None
        record = self._bind(record, lease)
        require_mtu(record.attachment, record.attachment.mtu)
        record = self.write(record.replace(phase=Phase.ATTACHING), "journal.attach", call)
        self.plugins.driver(record.network_type).admit(record.attachment, call)
        record = self.make(record, call, new=True)
        if phase == "after_link":
            record = self._allocate_after_link(record, call)
        with self._phase("verify", record.network_type):
            left = self.settle(record, call, self.verify_seconds, whole=True)
        require_settled(left, record)
        return self.write(record.replace(phase=Phase.ATTACHED), "journal.attached", call)

    def attach(self, record: Record, call: Call) -> AttachResult:
        """The driver's part of what the record names; what is there of it and right stays."""
        with self._phase("attach", record.network_type):
            result = self.plugins.driver(record.network_type).attach(record.attachment, call)
        device = record.attachment.request.device
        if result.device_info is None and device is not None:
            result = dataclasses.replace(result, device_info=device_info(device.id))
        return result

    def make(self, record: Record, call: Call, *, codes: Collection[str] = (), new: bool = False) -> Record:
        """The driver's part, then layer 3. Returns the record with the result; what layer 3 replaces is recorded first.

        codes: of what a check found on the Pod's side of a living link; see `Layer3.set_back`. new: nothing of it was there, so
        that an interface which is missing now is one that the driver did not make.
        """
        self.layer3.set_back(record, codes, call)
        record = record.replace(result=self.attach(record, call))
        if new and not self.has_interface(record):
            label = self.plugins.driver_plugin(record.network_type).label
            raise ContractViolation(
                f"{label} returned from attach as if all were done, and the Pod has no interface {record.key.ifname}",
                hint="report it to the authors of that distribution",
            )
        return self._layer3(record, call)

    def has_interface(self, record: Record) -> bool:
        """Whether the Pod has a link of the interface's name; True for an attachment without a link. May raise Gone."""
        if record.result is not None and not record.result.netdev:
            return True
        with pod_rtnl(record.attachment.request.netns) as (_, pod):
            return pod.link(record.key.ifname) is not None

    def _layer3(self, record: Record, call: Call) -> Record:
        result = record.result
        if result is None or not result.netdev:
            return record
        with self._phase("layer3", record.network_type), reading_together():
            prior = self.layer3.prior(record)
            if prior != record.layer3:
                record = self.write(record.replace(layer3=prior), "journal.layer3", call)
            self.layer3.apply(record, call)
        return record

    def _allocate_after_link(self, record: Record, call: Call) -> Record:
        assert record.ipam is not None
        assert record.result is not None
        request = IpamRequest(
            owner=record.ipam.owner,
            network=record.ipam.network,
            config=record.ipam.config,
            ips=record.ipam.ips,
            netns=record.attachment.request.netns,
            mac=record.result.mac,
        )
        record = record.replace(ipam=request)
        record = self.write(self._bind(record, self._lease(record, call)), "journal.lease", call)
        assert record.result is not None
        return self._layer3(record, call)

    def _lease(self, record: Record, call: Call) -> IpamLease | None:
        with self._phase("allocate", record.network_type):
            return self.leases.allocate(record.ipam, record.ipam_type, record.attachment.request, call)

    def _bind(self, record: Record, lease: IpamLease | None) -> Record:
        info = self.plugins.driver_plugin(record.network_type).info
        vlan = resolve_vlan(info, record.attachment, lease)
        return record.replace(attachment=record.attachment.bind(lease, vlan))

    def _ipam_phase(self, record: Record) -> str | None:
        return self.plugins.backend_plugin(record.ipam_type).info.phase if record.ipam_type else None

    def check(self, record: Record, call: Call, *, whole: bool = False) -> CheckReport:
        """Compare the host with a record, read-only: the driver's part and the layer-3 part.

        whole: also the Pod's side of a network whose NAD has `disableCheck`, as right after an attach.
        """
        with self.metrics.operation("check", record.network_type), reading_together():
            report = self.check_driver(record, call)
            if record.common.disable_check and not whole:
                return dataclasses.replace(report, findings=tuple(f for f in report.findings if not f.in_pod))
            if report.in_use or (record.result is not None and not record.result.netdev):
                return report
            layer3 = self.layer3.check(record, call)
            return dataclasses.replace(report, findings=report.findings + layer3)

    def check_driver(self, record: Record, call: Call) -> CheckReport:
        """The driver's part of `check`."""
        return self.plugins.driver(record.network_type).check(record.attachment, call)

    def settle(self, record: Record, call: Call, seconds: float, *, whole: bool = False) -> tuple[Finding, ...]:
        """What a check still finds after so many seconds, advisory findings left out; it looks again until it finds nothing.

        whole: see `check`.
        """
        backoff, waited = Backoff(*_SETTLE_PAUSES, jitter=0), 0.0
        while not (report := self.check(record, call, whole=whole)).clean and waited < seconds:
            pause = backoff.delay()
            call.sleep(pause)
            waited += pause
        return tuple(finding for finding in report.findings if not finding.advisory)

    def _undo(self, key: AttachmentId) -> None:
        record = self.journal.get(key)
        if record is None:
            return
        call = self.undo_call(record)
        try:
            with self.metrics.operation("undo", record.network_type):
                self.remove(record, call)
        except SecnetError as exc:
            call.log.warning("what a failed attach had begun could not be removed yet, it is tried again: %s", exc)

    def remove(self, record: Record, call: Call) -> None:
        """Remove an attachment in any phase, release its addresses, drop its record."""
        if record.phase != Phase.DETACHING:
            record = self.write(record.replace(phase=Phase.DETACHING), "journal.detach", call)
        after_link = self._ipam_phase(record) == "after_link"
        if after_link:
            self.leases.release(record, call)
        self.take_away(record, call)
        if not after_link:
            self.leases.release(record, call)
        with call.step("journal.remove", key=str(record.key)):
            self.journal.remove(record.key)

    def take_away(self, record: Record, call: Call) -> None:
        """Remove the interface, and give back what layer 3 replaced."""
        if record.boot_id != self.boot_id:
            return  # the kernel objects died with that boot; what outlived it carries its owner and is found by inventory
        self.plugins.driver(record.network_type).detach(record.attachment, call)
        self.layer3.restore(record, call)

    def recorded(self, record: Record) -> Record:
        """The record as it was last written."""
        return self.journal.get(record.key) or record

    def write(self, record: Record, step: str, call: Call) -> Record:
        """Record it, as one step."""
        with call.step(step, key=str(record.key)):
            self.journal.write(record)
        return record

    def _phase(self, phase: str, network_type: str) -> AbstractContextManager[object]:
        return self.metrics.phase("attach", network_type, phase)


def require_settled(findings: Iterable[Finding], record: Record) -> None:
    """Raise VerifyFailed for what a check still finds."""
    text = "; ".join(finding.message for finding in findings)
    if text:
        raise VerifyFailed(
            f"the interface does not read back as written: {text}", subject=f"interface {record.key.ifname}"
        )
