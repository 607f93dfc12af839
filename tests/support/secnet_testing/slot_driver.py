"""A third-party driver that needs a device and makes no interface: network type `slot`. It finds out who gets a device twice.

A device is taken by a file of its name, which no one else may have made. `slot_program` puts it before an agent as an installed
distribution would be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from secnet_conformance.forkserver import Entry

from .plugged import plugged

__all__ = ["RESOURCE", "SlotDriver", "slot_command", "slot_nad_annotations", "slot_program", "slots"]

RESOURCE = "example.com/slot"


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


def slots(run_dir: Path) -> dict[str, str]:
    """Who has which slot on a node: container id and interface name by device."""
    folder = run_dir / "slots"
    found = sorted(folder.iterdir()) if folder.exists() else []
    return {slot.name: slot.read_text(encoding="utf-8") for slot in found}


def slot_nad_annotations(resource: str = RESOURCE) -> dict[str, str]:
    """The annotations of a NAD whose device is of this resource."""
    return {"k8s.v1.cni.cncf.io/resourceName": resource}


def slot_program(folder: Path) -> Entry:
    """`secnet` with this driver among the installed ones. folder: for its metadata."""
    _write_metadata(folder)
    return plugged(folder)


def slot_command(folder: Path, command: Sequence[str]) -> list[str]:
    """A command line with this driver among the installed ones, for another program than `secnet`."""
    _write_metadata(folder)
    paths = (str(Path(__file__).resolve().parents[1]), str(folder), os.environ.get("PYTHONPATH"))
    return ["env", f"PYTHONPATH={os.pathsep.join(filter(None, paths))}", *command]


def _write_metadata(folder: Path) -> None:
    metadata = folder / "sn_slot-1.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sn-slot\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        f"[secnet.network_types]\nslot = {__name__}:SlotDriver\n[secnet.contract]\n1 = {__name__}\n", encoding="utf-8"
    )
