"""The link of the host that macvlans sit on: which one, and whether it can carry what is asked for."""

from __future__ import annotations

from secnet.contract import AttachRequest, Busy, InvalidConfig, NotReady, Unsupported
from secnet.linux.names import mac_for
from secnet.linux.rtnl import Link, Rtnl

__all__ = ["PASSTHRU", "mac_on", "mode_of", "mtu_on", "usable_master"]

PASSTHRU = "passthru"

_IFF_LOOPBACK = 0x8
_ETHERNET_MAC = len("00:00:00:00:00:00")


def mode_of(request: AttachRequest) -> str:
    """The mode asked for."""
    return str(request.options.get("mode", "bridge"))


def usable_master(kernel: Rtnl, request: AttachRequest) -> Link:
    """The master asked for. Raises NotReady while it is missing, Busy while it is a port, Unsupported if it can carry none."""
    name = str(request.options["master"])
    link = kernel.link(name)
    if link is None:
        raise NotReady(
            f"the host has no link {name}",
            hint="it is tried again; plug it in or make it, or correct master in the NetworkAttachmentDefinition",
            subject=f"link {name}",
        )
    if link.flags & _IFF_LOOPBACK or len(link.mac) != _ETHERNET_MAC:
        raise _unsupported(request, "is no Ethernet device", "choose a master that is one")
    if link.kind in ("macvlan", "macvtap"):
        raise _unsupported(request, f"is a {link.kind} itself", "choose the device below it as master")
    above = kernel.link_by_index(link.master) if link.master else None
    if above is not None and above.kind != "vrf":  # of those that take a link over, only a VRF leaves its frames alone
        raise Busy(
            f"{name} is a port of {above.name}, which takes all its frames",
            hint=f"choose {above.name} as master, or take {name} out of it; it is tried again",
            subject=f"link {name}",
        )
    return link


def _unsupported(request: AttachRequest, what: str, hint: str) -> Unsupported:
    return Unsupported(
        f"{request.options['master']} {what} and carries no macvlan",
        hint=hint,
        subject=f"NetworkAttachmentDefinition {request.network}",
        path="$.master",
    )


def mtu_on(master: Link, request: AttachRequest) -> int:
    """The MTU asked for, else the master's; InvalidConfig for more than the master's: such frames would not leave the host."""
    if request.mtu is not None and request.mtu > master.mtu:
        raise InvalidConfig(
            f"an MTU of {request.mtu} does not fit through {master.name}, whose MTU is {master.mtu}",
            hint="lower mtu, leave it out, or raise the master's MTU",
            subject=f"NetworkAttachmentDefinition {request.network}",
            path="$.mtu",
        )
    return request.mtu or master.mtu


def mac_on(master: Link, request: AttachRequest) -> str:
    """The MAC asked for, else one that follows from sandbox and interface name; under passthru always the master's own."""
    if mode_of(request) != PASSTHRU:
        return request.mac or mac_for(request.key)
    if request.mac not in (None, master.mac):
        raise Unsupported(
            f"with mode passthru the interface has the MAC of {master.name}, {master.mac}, and not {request.mac}",
            hint="leave the MAC out, or choose another mode",
            subject=f"network {request.network}",
        )
    return master.mac
