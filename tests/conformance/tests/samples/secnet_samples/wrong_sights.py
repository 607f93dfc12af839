"""Drivers that are wrong in what they see, or where they look: in an inventory, before a change, during a stall."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from secnet.contract import (
    Attachment,
    AttachRequest,
    Call,
    CheckReport,
    DriverInfo,
    Finding,
    Inventory,
    NodeReport,
    ProbeReport,
)
from secnet.linux.names import LINK_GROUP, parse_alias
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from .pair import LOCK, PairDriver
from .wrong_neighbours import WithBridge

__all__ = [
    "AlwaysComplete",
    "InventoryHidesHalf",
    "InventoryRaisesOnHalf",
    "ListsOthersLinks",
    "LooksHang",
    "NoLockKeys",
    "NodeRemembers",
    "PlansByWhatIsThere",
    "TakesForeignNote",
    "TakesPodInterface",
]


class AlwaysComplete(PairDriver):
    """The inventory calls anything complete that it finds."""

    network_type = "always-complete"

    def is_whole(self, priors: Sequence[str]) -> bool:
        return True


class InventoryHidesHalf(PairDriver):
    """The inventory lists what is complete, and nothing else: what a crash left is never found without its record."""

    network_type = "inventory-hides-half"

    def inventory(self, call: Call) -> Inventory:
        found = super().inventory(call)
        return dataclasses.replace(found, owned=tuple(item for item in found.owned if item.complete))


class InventoryRaisesOnHalf(PairDriver):
    """The inventory fails over a link that has no mark yet."""

    network_type = "inventory-raises-on-half"

    def inventory(self, call: Call) -> Inventory:
        with host_rtnl() as kernel:
            for link in kernel.links(group=LINK_GROUP):
                if parse_alias(link.alias) is None:
                    raise ValueError(f"{link.name} has no mark")
        return super().inventory(call)


class ListsOthersLinks(PairDriver):
    """Takes whatever has the agent's tag for its own, the links of other drivers too."""

    network_type = "lists-others-links"

    def is_made_here(self, link: Link) -> bool:
        parsed = parse_alias(link.alias)
        return parsed is not None and parsed[0] == self.host.owner_tag


class LooksHang(PairDriver):
    """probe, check and inventory wait for the lock in the kernel, where no deadline reaches them."""

    network_type = "looks-hang"

    def hang(self) -> None:
        fd = os.open(self.host.run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            os.close(fd)

    def probe(self) -> ProbeReport:
        if self.host.run_dir.is_dir():
            self.hang()
        return super().probe()

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        self.hang()
        return super().check(attachment, call)

    def inventory(self, call: Call) -> Inventory:
        self.hang()
        return super().inventory(call)


class NoLockKeys(PairDriver):
    """Needs a device, and lets two requests have it at once."""

    network_type = "no-lock-keys"

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        return ()


class TakesPodInterface(PairDriver):
    """Removes an interface of the Pod that has the name which is asked for."""

    network_type = "takes-pod-interface"

    def require_free(self, left: Link | None, inside: Link | None) -> None:
        return

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        with pod_rtnl(attachment.request.netns) as (_, pod):
            link = pod.link(attachment.request.ifname)
            if link is not None:
                with call.step("pod.clear"):
                    pod.delete_link(link.index)
        return super().create(kernel, attachment, fd, call)


class TakesForeignNote(PairDriver):
    """Writes a note in a file of its own name, over whatever stands there."""

    network_type = "takes-foreign-note"

    def note(self, attachment: Attachment) -> Path:
        return self.host.run_dir / f"note-{attachment.names['host']}"

    def create(self, kernel: Rtnl, attachment: Attachment, fd: int, call: Call) -> Link:
        with call.step("note.write"):
            self.note(attachment).write_text("mine")
        return super().create(kernel, attachment, fd, call)

    def detach(self, attachment: Attachment, call: Call) -> None:
        super().detach(attachment, call)
        if self.note(attachment).exists():
            with call.step("note.remove"):
                self.note(attachment).unlink()


class _WithoutDevice(PairDriver):
    """A right one: a pair alone. The loopback link stands for the device, and nothing is written onto it."""

    @classmethod
    def describe(cls) -> DriverInfo:
        return dataclasses.replace(super().describe(), needs_device=False)

    def slot(self, request: AttachRequest) -> Link:
        with host_rtnl() as kernel:
            link = kernel.link("lo")
        assert link is not None
        return link

    def prior(self, slot: Link) -> dict[str, Any]:
        return {}

    def take(self, kernel: Rtnl, attachment: Attachment, call: Call) -> None:
        return

    def check_device(self, attachment: Attachment) -> tuple[Finding, ...]:
        return ()

    def is_whole(self, priors: Sequence[str]) -> bool:
        return True


class PlansByWhatIsThere(_WithoutDevice):
    """The plan is another one while the attachment stands."""

    network_type = "plans-by-what-is-there"

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        attachment = super().plan(request, call)
        with host_rtnl() as kernel:
            there = kernel.link(attachment.names["host"]) is not None
        return dataclasses.replace(attachment, mtu=1400) if there else attachment


class NodeRemembers(WithBridge):
    """Notes that it made its bridge, and looks at the note alone from then on."""

    network_type = "node-remembers"

    def made(self) -> Path:
        return self.host.run_dir / "bridge-made"

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        if self.made().exists():
            return NodeReport()
        report = super().reconcile_node(desired, call)
        if report.ready:
            self.made().touch()
        return report

    def teardown_node(self, call: Call) -> None:
        super().teardown_node(call)
        self.made().unlink(missing_ok=True)
