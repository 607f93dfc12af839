"""Attach: everything that may be refused is done on the host with the link down; then one message moves the link.

The order: hold the device; what an earlier Pod left; mark its link; VLAN; the link's own MAC and MTU; the other attributes that
the physical function keeps; where the link did not take the MAC, its driver is rebound; the representor's port; the move; the
RDMA devices, where they belong to a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

from secnet.contract import (
    Attachment,
    AttachResult,
    Busy,
    Call,
    HostInterface,
    NotReady,
    Permanent,
    VerifyFailed,
)
from secnet.linux.functions import Function
from secnet.linux.ownership import require_clean
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from . import netdev, rdma, representor
from .attributes import apply, clear_left, drifted, require_known, safe_left, still_left
from .card import Value
from .checking import check
from .detaching import give_back
from .planning import function_for, require_free
from .settings import EARLY, desired_settings, require_bound, require_uplink
from .store import Holding
from .tools import Tools, is_kept, is_userspace
from .userspace import device_info

__all__ = ["attach"]


def attach(tools: Tools, attachment: Attachment, call: Call) -> AttachResult:
    """See `NetworkDriver.attach`."""
    function = function_for(tools, attachment.request)
    require_bound(attachment, function)
    if attachment.state.get("userspace"):
        return _attach_userspace(tools, attachment, function, call)
    with pod_rtnl(attachment.request.netns) as (fd, pod), host_rtnl() as kernel:
        attached = _attached_link(tools, pod, attachment)
        if attached is not None:
            _repeat(tools, kernel, attachment, function, call)
            return _result(attached, attachment, function)
        _take_over(tools, attachment, call)
        netdev.on_host(tools.card, kernel, function.id)
        netdev.require_free_name(pod, attachment.request)
        holding = _hold(tools, kernel, attachment, function, call)
        index = _prepare(tools, kernel, holding, function, call)
        representor.plug(kernel, tools.ovs, tools.host, attachment, call)
        netdev.require_ready(kernel, index, attachment, tools.host.owner_tag)
        netdev.move(kernel, index, fd, attachment, call)
        rdma.move_in(attachment, fd, call)
        return _result(_moved_link(pod, attachment), attachment, function)


def _attached_link(tools: Tools, pod: Rtnl, attachment: Attachment) -> Link | None:
    """The device's link, under whatever name, where this attachment brought it into the Pod already."""
    if not tools.holds(attachment):
        return None
    return netdev.in_pod(tools.card, pod, attachment, tools.host.owner_tag)


def _repeat(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """Make what the host's side lacks of a completed attach. The link stays as it is, for `check` to report.

    Raises VerifyFailed if the host's side still differs: that takes a detach.
    """
    in_use = check(tools, attachment, call).in_use
    if is_kept(tools.card, kernel, function, attachment.prior):
        differ = drifted(tools.card, kernel, function, attachment, in_use=in_use)
        apply(tools.card, kernel, function, attachment, [(name, value) for name, (_, value) in differ.items()], call)
    if any(representor.port_findings(tools.ovs, tools.host, attachment, call)):
        representor.plug(kernel, tools.ovs, tools.host, attachment, call)
    left = (finding for finding in check(tools, attachment, call).findings if not finding.in_pod)
    require_clean(left, f"device {attachment.names['device']}")


def _take_over(tools: Tools, attachment: Attachment, call: Call) -> None:
    """Give a device back whose holder is gone, or broke off: what it set is not for the next one to have."""
    held = require_free(tools, attachment.names["device"], attachment.key)
    if held is not None:
        give_back(tools, held, call)


def _hold(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> Holding:
    """Write down that the attachment has the device, with what an earlier one left on it."""
    device = attachment.names["device"]
    saved = tools.store.look(device)
    left = saved.left
    if saved.damage:
        call.log.warning(
            "device %s: %s; VLAN 0, spoofchk on and trust off are taken for what it was", device, saved.damage
        )
        left = safe_left()
    if saved.holding is None and is_kept(tools.card, kernel, function, attachment.prior):
        left = still_left(left, tools.card.vf(kernel, function))
    holding = Holding(owner_tag=tools.host.owner_tag, attachment=attachment, left=left)
    if saved.holding != holding:
        with call.step("device.hold", device=device):
            tools.store.write(device, holding)
    return holding


def _values(tools: Tools, kernel: Rtnl, holding: Holding, function: Function, call: Call) -> Mapping[str, Value]:
    """The settings for the physical function; nothing where there is none, or one without a link and without options for it.

    What an earlier Pod left and this one does not ask for is cleared here.
    """
    attachment = holding.attachment
    require_uplink(tools.card, kernel, function, attachment.request, attachment.prior, attachment.vlan or 0)
    if not is_kept(tools.card, kernel, function, attachment.prior):
        return {}
    now = tools.card.vf(kernel, function)
    values = desired_settings(attachment, function, now)
    require_known(function, attachment, values, now)
    clear_left(tools.card, kernel, function, attachment, holding.left, values, call)
    return values


def _prepare(tools: Tools, kernel: Rtnl, holding: Holding, function: Function, call: Call) -> int:
    """The link with MAC, MTU and mark, down, and the card set; returns the link's index."""
    card, tag, attachment = tools.card, tools.host.owner_tag, holding.attachment
    values = _values(tools, kernel, holding, function, call)
    link = netdev.on_host(card, kernel, function.id)
    netdev.claim(kernel, link, attachment, tag, call)
    apply(card, kernel, function, attachment, [(name, values[name]) for name in values if name in EARLY], call)
    refusal = netdev.try_mac(kernel, link, attachment.mac, call)
    if refusal is not None and "mac" not in values:
        raise netdev.mac_refused(attachment, refusal)
    _set_mtu(kernel, link, attachment, call)
    apply(card, kernel, function, attachment, [(name, values[name]) for name in values if name not in EARLY], call)
    if not netdev.follows(card, kernel, function.id, attachment.mac or link.mac, call):
        _require_last_word(attachment, values)
        netdev.rebind(card, kernel, function, str(attachment.prior.get("driver") or function.driver), call)
    # Some cards reset the function on a new setting: what the link has now is read again.
    link = netdev.on_host(card, kernel, function.id)
    netdev.claim(kernel, link, attachment, tag, call)
    _set_mtu(kernel, link, attachment, call)
    netdev.strip_altnames(kernel, link, call)
    return link.index


def _set_mtu(kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
    """A refusal is no fault of a network that asks for no MTU: the device has another now than when it was planned."""
    try:
        netdev.set_mtu(kernel, link, attachment, call)
    except Permanent as exc:
        if attachment.request.mtu is not None:
            raise
        raise NotReady(
            f"the device does not take the MTU {attachment.mtu} that it had: {exc.message}",
            hint="it is planned again, with the MTU that it has",
            subject=f"device {attachment.names['device']}",
        ) from exc


def _require_last_word(attachment: Attachment, values: Mapping[str, Value]) -> None:
    """A rebound driver takes its MAC from the physical function: without one it would not change."""
    if "mac" not in values:
        raise VerifyFailed(
            f"the device does not take the MAC {attachment.mac}",
            hint="leave mac out, or set it where the physical function is",
            subject=f"device {attachment.names['device']}",
            path="mac",
        )


def _moved_link(pod: Rtnl, attachment: Attachment) -> Link:
    """What reads back in the Pod."""
    link = pod.link(attachment.request.ifname)
    if link is None or (link.mac, link.mtu) != (attachment.mac, attachment.mtu):
        found = "no such interface" if link is None else f"MAC {link.mac} and MTU {link.mtu}"
        raise VerifyFailed(
            f"the Pod's {attachment.request.ifname} reads back as {found} instead of "
            f"MAC {attachment.mac} and MTU {attachment.mtu}",
            hint="it is tried again",
            subject=f"device {attachment.names['device']}",
        )
    return link


def _result(link: Link, attachment: Attachment, function: Function) -> AttachResult:
    return AttachResult(
        mac=link.mac,
        mtu=link.mtu,
        late_carrier=True,
        host_interfaces=_host_interfaces(attachment),
        device_info=device_info(function, attachment),
        details=_details(attachment, function),
    )


def _attach_userspace(tools: Tools, attachment: Attachment, function: Function, call: Call) -> AttachResult:
    """Only what the physical function keeps: a program takes the device itself, and must know which."""
    if not is_userspace(function):
        raise Busy(
            f"the device was bound to a userspace driver and is bound to {function.driver or 'none'} now",
            hint="it is planned again",
            subject=f"device {function.id}",
        )
    if not tools.holds(attachment):
        _take_over(tools, attachment, call)
    with host_rtnl() as kernel:
        holding = _hold(tools, kernel, attachment, function, call)
        values = _values(tools, kernel, holding, function, call)
        apply(tools.card, kernel, function, attachment, values.items(), call)
        representor.plug(kernel, tools.ovs, tools.host, attachment, call)
    return AttachResult(
        mac=attachment.mac,
        netdev=False,
        host_interfaces=_host_interfaces(attachment),
        device_info=device_info(function, attachment),
        details=_details(attachment, function),
    )


def _host_interfaces(attachment: Attachment) -> tuple[HostInterface, ...]:
    representor = attachment.names.get("representor")
    return (HostInterface(name=representor),) if representor else ()


def _details(attachment: Attachment, function: Function) -> dict[str, object]:
    facts = {
        "device": function.id,
        "pf": function.parent,
        "number": function.number,
        "driver": function.driver,
        "vlan": attachment.vlan or 0,
        "bridge": attachment.names.get("bridge"),
        "port": attachment.names.get("representor"),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
