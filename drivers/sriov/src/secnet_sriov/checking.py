"""Comparing what is there with an attachment, and finding what is ours without any record."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import (
    WRONG_MAC,
    WRONG_MTU,
    Attachment,
    Call,
    CheckReport,
    DeviceRef,
    Finding,
    Gone,
    Inventory,
    Owned,
    SecnetError,
)
from secnet.linux.functions import Function
from secnet.linux.ownership import rebuilt, use_in_pod
from secnet.linux.rtnl import Link, host_rtnl, pod_rtnl

from . import representor
from .attributes import attribute_findings
from .mark import parse_mark
from .netdev import in_pod
from .rdma import rdma_findings
from .settings import is_trusted
from .tools import Tools, is_kept

__all__ = ["check", "take_inventory"]


def check(tools: Tools, attachment: Attachment, call: Call) -> CheckReport:
    """All deviations, and how the Pod itself uses the link. Raises Gone without the netns."""
    device = attachment.names["device"]
    if not tools.holds(attachment):
        return _report(Finding(code="DeviceNotHeld", message=f"the device {device} is not held by this interface"))
    function = tools.card.functions.get(device)
    if function is None:
        gone = Finding(code="DeviceGone", message=f"the device {device} is not on the bus", repairable=False)
        return _report(gone)
    if attachment.state.get("userspace"):
        return _report(*_host_findings(tools, attachment, function, call))
    with pod_rtnl(attachment.request.netns) as (_, pod):
        link = in_pod(tools.card, pod, attachment, tools.host.owner_tag)
        in_use = use_in_pod(pod, link, attachment.request.ifname) if link else ""
    found = () if in_use else _link_findings(tools, attachment, function, link)
    host = _host_findings(tools, attachment, function, call, in_use=in_use)
    return CheckReport(findings=(*found, *rdma_findings(attachment), *host), in_use=in_use)


def _report(*findings: Finding) -> CheckReport:
    return CheckReport(findings=findings)


def _host_findings(
    tools: Tools, attachment: Attachment, function: Function, call: Call, *, in_use: str = ""
) -> Iterator[Finding]:
    """What the physical function keeps, and the representor's port."""
    with host_rtnl() as kernel:
        if is_kept(tools.card, kernel, function, attachment.prior):
            yield from attribute_findings(tools.card, kernel, function, attachment, in_use=in_use)
    yield from representor.port_findings(tools.ovs, tools.host, attachment, call)


def _link_findings(tools: Tools, attachment: Attachment, function: Function, link: Link | None) -> Iterator[Finding]:
    ifname, device = attachment.request.ifname, attachment.names["device"]
    if link is None:
        yield Finding(code="PodLinkMissing", message=f"the Pod has no interface {ifname} of {device}", in_pod=True)
        return
    if attachment.mac and link.mac != attachment.mac and not _may_change_mac(tools, attachment, function):
        message = f"{ifname} has the MAC {link.mac} instead of {attachment.mac}"
        yield Finding(code=WRONG_MAC, message=message, in_pod=True)
    if attachment.mtu and link.mtu != attachment.mtu:
        message = f"{ifname} has the MTU {link.mtu} instead of {attachment.mtu}"
        yield Finding(code=WRONG_MTU, message=message, in_pod=True)


def _may_change_mac(tools: Tools, attachment: Attachment, function: Function) -> bool:
    with host_rtnl() as kernel:
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
        return check(tools, attachment, call).clean
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
