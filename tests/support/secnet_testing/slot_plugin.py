"""A third-party driver that needs a device and makes no interface: network type `slot`. It finds out who gets a device twice.

A device is taken by a file of its name, which no one else may have made. It needs nothing but the contract, so that this file can
also be given to an agent elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    Conflict,
    DriverInfo,
    Finding,
    HostContext,
    Inventory,
    NetworkDriver,
    ProbeReport,
)

__all__ = ["SlotDriver"]


class SlotDriver(NetworkDriver):
    """See the module. Names no lock keys: that a device is exclusive is the core's business."""

    def __init__(self, host: HostContext) -> None:
        self._folder = host.run_dir / "slots"

    @classmethod
    def describe(cls) -> DriverInfo:
        return DriverInfo(network_type="slot", summary="a device in a slot", needs_device=True)

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=True)

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        assert request.device is not None
        return Attachment(request=request, names={"slot": request.device.id})

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        slot = self._slot(attachment)
        slot.parent.mkdir(exist_ok=True)
        with call.step("slot.take", slot=slot.name):
            try:
                with slot.open("x", encoding="utf-8") as file:
                    file.write(str(attachment.key))
            except FileExistsError as exc:
                raise Conflict(f"slot {slot.name} is taken by {slot.read_text(encoding='utf-8')}") from exc
        return AttachResult(netdev=False, details={"awaited": call.awaited})

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        if self._is_mine(attachment):
            return CheckReport()
        return CheckReport(findings=(Finding(code="Lost", message="the slot is not taken", repairable=True),))

    def detach(self, attachment: Attachment, call: Call) -> None:
        if self._is_mine(attachment):
            with call.step("slot.leave", slot=attachment.names["slot"]):
                self._slot(attachment).unlink()

    def inventory(self, call: Call) -> Inventory:
        return Inventory()

    def _slot(self, attachment: Attachment) -> Path:
        return self._folder / attachment.names["slot"]

    def _is_mine(self, attachment: Attachment) -> bool:
        slot = self._slot(attachment)
        return slot.exists() and slot.read_text(encoding="utf-8") == str(attachment.key)
