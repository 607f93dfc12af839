"""Comparing what is there with an attachment, and finding what is ours without any record."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import (
    Attachment,
    Call,
    DeviceRef,
    Finding,
    Gone,
    Inventory,
    Owned,
    SecnetError,
)
from secnet.linux.functions import Function
from secnet.linux.ownership import rebuilt
from secnet.linux.rtnl import Rtnl, host_rtnl, pod_rtnl

from . import representor
from .attributes import attribute_findings
from .mark import parse_mark
from .netdev import in_pod
from .rdma import rdma_findings
from .settings import is_trusted
from .tools import Tools, is_kept

__all__ = ["findings", "take_inventory"]


def findings(tools: Tools, attachment: Attachment, call: Call) -> tuple[Finding, ...]:
    """All deviations. Raises Gone without the netns."""
    return tuple(_findings(tools, attachment, call))


def _findings(tools: Tools, attachment: Attachment, call: Call) -> Iterator[Finding]:
    device = attachment.names["device"]
    if not tools.holds(attachment):
        yield Finding(code="DeviceNotHeld", message=f"the device {device} is not held by this interface")
        return
    function = tools.card.functions.get(device)
    if function is None:
        yield Finding(code="DeviceGone", message=f"the device {device} is not on the bus", repairable=False)
        return
    with host_rtnl() as kernel:
        if not attachment.state.get("userspace"):
            yield from _link_findings(tools, kernel, attachment, function)
            yield from rdma_findings(attachment)
        if is_kept(tools.card, kernel, function, attachment.prior):
            yield from attribute_findings(tools.card, kernel, function, attachment)
    yield from representor.port_findings(tools.ovs, tools.host, attachment, call)


def _link_findings(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function) -> Iterator[Finding]:
    ifname, device = attachment.request.ifname, attachment.names["device"]
    with pod_rtnl(attachment.request.netns) as (_, pod):
        link = in_pod(tools.card, pod, attachment, tools.host.owner_tag)
    if link is None or link.name != ifname:
        where = f"it is named {link.name}" if link else "the Pod does not have it"
        yield Finding(code="PodLinkMissing", message=f"the Pod has no interface {ifname} of {device}: {where}")
        return
    if attachment.mac and link.mac != attachment.mac and not _may_change_mac(tools, kernel, attachment, function):
        yield Finding(code="WrongMac", message=f"{ifname} has the MAC {link.mac} instead of {attachment.mac}")
    if attachment.mtu and link.mtu != attachment.mtu:
        yield Finding(code="WrongMtu", message=f"{ifname} has the MTU {link.mtu} instead of {attachment.mtu}")


def _may_change_mac(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function) -> bool:
    kept = is_kept(tools.card, kernel, function, attachment.prior)
    return is_trusted(attachment, tools.card.vf(kernel, function) if kept else None)


def take_inventory(tools: Tools, network_type: str, call: Call) -> Inventory:
    """Devices of this type that are held, and links on the host that have our mark without being held."""
    holdings = tools.store.all()
    owned = [
        Owned(attachment=item.attachment, complete=_complete(tools, item.attachment, call))
        for item in holdings
        if item.owner_tag == tools.host.owner_tag and item.attachment.request.network_type == network_type
    ]
    held = {item.attachment.names["device"] for item in holdings}  # by whomever
    with host_rtnl() as kernel:
        links = kernel.links()
    for link in links:
        marked = parse_mark(link.alias)
        if not marked or (marked[0], marked[2]) != (tools.host.owner_tag, network_type):
            continue
        device = tools.card.device_of(link)
        if device and device not in held:
            names = _names_of(tools, device)
            # What the device was before is unknown.
            attachment = rebuilt(marked[1], network_type, names, device=DeviceRef(id=device))
            owned.append(Owned(attachment=attachment, complete=False))
    return Inventory(owned=tuple(owned))


def _complete(tools: Tools, attachment: Attachment, call: Call) -> bool:
    try:
        return not findings(tools, attachment, call)
    except Gone:
        return False
    except SecnetError as exc:
        call.log.info("%s cannot be checked: %s", attachment.names["device"], exc)
        return False


def _names_of(tools: Tools, device: str) -> dict[str, str]:
    """The device and its representor, which may be a port of ours: the bridge is not known."""
    function = tools.card.functions.get(device)
    name = tools.card.functions.representor(function) if function else ""
    return {"device": device, **({"representor": name} if name else {})}
