"""All that is asked of a card and its functions: sysfs, the driver, and the physical function by netlink.

A driver class names the class it uses (`card_class`), so that a test can stand one in where a real card is impossible.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from secnet.contract import NotReady
from secnet.linux.functions import Function, Functions
from secnet.linux.rtnl import Link, Rtnl, VirtualFunction

__all__ = ["ATTRIBUTES", "Card", "Value", "no_uplink"]

Value = tuple[Any, ...]
"""What an attribute of a virtual function is set to."""

ATTRIBUTES: dict[str, Callable[[VirtualFunction], Value]] = {
    "vlan": lambda vf: (vf.vlan, vf.qos, vf.proto),
    "mac": lambda vf: (vf.mac,),
    "spoofchk": lambda vf: (vf.spoofchk,),
    "trust": lambda vf: (vf.trust,),
    "rate": lambda vf: (vf.min_tx_rate, vf.max_tx_rate),
    "linkState": lambda vf: (vf.link_state,),
}
"""Each attribute that the physical function keeps, and how it reads. They are set one by one."""


class Card:
    """The functions of this host's cards. Holds nothing open; handles are the caller's."""

    def __init__(self, sysfs_root: Path) -> None:
        self.functions = Functions(sysfs_root)

    def netdev(self, kernel: Rtnl, device: str) -> Link | None:
        """The device's link on the host; None while it has none there, or while another link has the name that sysfs said."""
        function = self.functions.get(device)
        link = kernel.link(function.netdevs[0]) if function and function.netdevs else None
        return link if link and link.parent_device in ("", device) else None

    def is_of(self, link: Link, device: str) -> bool:
        """Whether the kernel says that a link, in whatever namespace, is the device's. Kernels before 5.14 do not say."""
        return link.parent_device == device

    def device_of(self, link: Link) -> str:
        """The device under a link of the host; empty if it is none of a card."""
        return link.parent_device if link.parent_bus in ("pci", "auxiliary") else ""

    def can_configure(self, kernel: Rtnl, function: Function) -> bool:
        """Whether the physical function has a link on the host: one that a program took (vfio, DPDK) has none."""
        return self._uplink(kernel, function) is not None

    def vf(self, kernel: Rtnl, function: Function) -> VirtualFunction:
        """What the physical function keeps for this one."""
        return kernel.virtual_function(self._pf_index(kernel, function), function.number or 0)

    def set_vf(self, kernel: Rtnl, function: Function, attribute: str, value: Value) -> None:
        """Set one of ATTRIBUTES. What the card refuses is raised as the kernel's words say."""
        index, number = self._pf_index(kernel, function), function.number or 0
        setters: dict[str, Callable[..., None]] = {
            "vlan": kernel.set_vf_vlan,
            "mac": kernel.set_vf_mac,
            "spoofchk": kernel.set_vf_spoofchk,
            "trust": kernel.set_vf_trust,
            "rate": kernel.set_vf_rate,
            "linkState": kernel.set_vf_link_state,
        }
        setters[attribute](index, number, *value)

    def _uplink(self, kernel: Rtnl, function: Function) -> Link | None:
        name = self.functions.uplink(function.parent)
        return kernel.link(name) if name else None

    def _pf_index(self, kernel: Rtnl, function: Function) -> int:
        link = self._uplink(kernel, function)
        if link is None:
            raise no_uplink(function)
        return link.index


def no_uplink(function: Function) -> NotReady:
    """The error for what needs the physical function's link."""
    return NotReady(
        f"the physical function {function.parent} has no link on the host",
        hint="it is tried again; bind the card's driver and keep the physical function on the host",
        subject=f"device {function.id}",
    )
