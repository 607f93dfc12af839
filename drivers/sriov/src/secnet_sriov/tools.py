"""What each piece of work on a device needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import Attachment, HostContext
from secnet.linux.functions import Function
from secnet.linux.rtnl import Rtnl
from secnet.ovs import OvsClient

from .card import Card
from .store import Holding, HoldingStore

__all__ = ["Tools", "is_kept", "is_known", "is_userspace", "under_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The host, its cards, who holds which device, and Open vSwitch."""

    host: HostContext
    card: Card
    store: HoldingStore
    ovs: OvsClient

    def holding(self, attachment: Attachment) -> Holding | None:
        """The holding of the attachment's device, whosever it is."""
        return self.store.read(attachment.names["device"])

    def holds(self, attachment: Attachment) -> bool:
        """Whether this attachment holds its device."""
        holding = self.holding(attachment)
        return holding is not None and holding.of(self.host.owner_tag, attachment.key)


def is_known(prior: Mapping[str, Any]) -> bool:
    """Whether the prior state of the device is known; `name` (of a link) and `vf` are there if it had them."""
    return "driver" in prior


def is_userspace(function: Function) -> bool:
    """Whether the bound driver hands the device to a program (DPDK, a virtual machine) and makes no netdev."""
    return "vfio" in function.driver or function.driver in ("uio_pci_generic", "igb_uio")


def under_card(function: Function) -> bool:
    """Whether the physical function is here, and could keep attributes for this one."""
    return function.bus == "pci" and bool(function.parent) and function.number is not None


def is_kept(card: Card, kernel: Rtnl, function: Function, prior: Mapping[str, Any]) -> bool:
    """Whether the physical function keeps attributes for this one, as it did when `prior` was written down.

    It does not while it has no link on the host: then nothing of it is set, and nothing restored.
    """
    return under_card(function) and ("vf" in prior if is_known(prior) else card.can_configure(kernel, function))
