"""Detach: bring the device back to the host and make it what it was. The only undo path, from any point of an attach.

A device is touched only while this attachment holds it, by the holding or, where that was lost, by the mark on its link; one that
a program has bears no mark, and is touched only while no other attachment holds it. What the card does not take back is warned
of, is kept for the next holder to clear, and holds up nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from secnet.contract import Attachment, Busy, Call, Conflict, Gone, Permanent
from secnet.linux.functions import Function
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from . import netdev, rdma, representor
from .attributes import NO_MAC, RESTORED, SAFE, restore, still_left
from .card import Value
from .mark import mark_of
from .store import Holding, Left, Saved
from .tools import Tools, is_kept, is_known, is_userspace

__all__ = ["detach", "give_back"]


def detach(tools: Tools, attachment: Attachment, call: Call) -> None:
    """See `NetworkDriver.detach`. Raises Busy while the device is on its way back."""
    device, tag = attachment.names["device"], tools.host.owner_tag
    saved = tools.store.look(device)
    if saved.holding is None:
        if saved.damage:
            call.log.warning("device %s: %s; what the attachment's record says is taken", device, saved.damage)
        _give_back(tools, Holding(owner_tag=tag, attachment=attachment, left=saved.left), call, held=False)
    elif saved.holding.of(tag, attachment.key):
        give_back(tools, saved.holding, call)
    else:
        call.log.debug("%s is held by %s and stays", device, saved.holding.attachment.key)


def give_back(tools: Tools, holding: Holding, call: Call) -> None:
    """Restore a device to what it was before its holder took it, whichever holder, and remove the holding."""
    _give_back(tools, holding, call, held=True)


def _give_back(tools: Tools, holding: Holding, call: Call, *, held: bool) -> None:
    attachment = holding.attachment
    left: Mapping[str, Left] = {}
    device = attachment.names["device"]
    with host_rtnl() as kernel, ExitStack() as stack:
        pod = _pod(stack, attachment)
        inside = netdev.in_pod(tools.card, pod, attachment, holding.owner_tag) if pod else None
        if not held and inside is None and not _may_be_ours(tools, kernel, attachment):
            return
        if pod is not None:
            rdma.move_back(attachment, tools.host, call)
        representor.unplug(kernel, tools.ovs, tools.host, attachment, call)
        if pod is not None and inside is not None:
            netdev.return_to_host(pod, kernel, inside, tools.host, attachment, call)
        function = tools.card.functions.get(device)
        if function is not None:
            left = _restore(tools, kernel, holding, function, call, held=held)
        else:
            call.log.warning("%s is gone from the bus; nothing of it can be restored", device)
    if held or tools.store.look(device) != Saved(left=left):
        with call.step("device.release", device=device):
            tools.store.release(device, left)


def _pod(stack: ExitStack, attachment: Attachment) -> Rtnl | None:
    """A handle in the Pod's namespace; None if that is gone."""
    try:
        return stack.enter_context(pod_rtnl(attachment.request.netns))[1]
    except Gone:
        return None


def _may_be_ours(tools: Tools, kernel: Rtnl, attachment: Attachment) -> bool:
    """Whether a device without a holder is to be restored: by its mark or, as it has no link to bear one, by the record."""
    if attachment.state.get("userspace"):
        return True
    link = tools.card.netdev(kernel, attachment.names["device"])
    return link is not None and link.alias == mark_of(tools.host.owner_tag, attachment.request)


def _restore(
    tools: Tools, kernel: Rtnl, holding: Holding, function: Function, call: Call, *, held: bool
) -> Mapping[str, Left]:
    """All of it, in this order: the link back and down, what the card keeps for it, the MAC on both sides, the link."""
    attachment = holding.attachment
    prior, card = attachment.prior, tools.card
    keeps = is_kept(card, kernel, function, prior)
    if not is_known(prior):
        call.log.warning(
            "the prior state of %s is unknown: it is restored with VLAN 0, spoofchk on and trust off", function.id
        )
    if keeps and not held:
        holding = replace(holding, left=still_left(holding.left, card.vf(kernel, function)))
    before = _before(holding)
    if attachment.state.get("userspace") or _is_elsewhere(function, attachment, call):
        return restore(card, kernel, function, before, (*RESTORED, "mac"), call) if keeps else {}
    function = _bring_back(tools, kernel, attachment, function, call)
    left = restore(card, kernel, function, before, RESTORED, call) if keeps else {}
    if keeps:
        _forget_mac(tools, kernel, attachment, function, call)
    _restore_mac(tools, kernel, attachment, function, call)
    if keeps:
        left |= restore(card, kernel, function, before, ("mac",), call, own_mac=prior.get("mac"))
    _restore_link(kernel, netdev.on_host(card, kernel, function.id), attachment, call)
    return left


def _before(holding: Holding) -> dict[str, Value]:
    """What the attributes were before any Pod had them: what the card kept of an earlier one is no prior state."""
    known: Mapping[str, Any] = holding.attachment.prior.get("vf") or SAFE
    left = {name: item.was for name, item in holding.left.items()}
    return {name: tuple(value) for name, value in {**known, **left}.items()}


def _is_elsewhere(function: Function, attachment: Attachment, call: Call) -> bool:
    """Whether the host has bound the device to another driver since: its link ended then, and is not coming back."""
    driver = attachment.prior.get("driver")
    if function.driver in ("", driver) or not (driver or is_userspace(function)):
        return False
    call.log.warning(
        "device %s: the host has bound it to %s instead of %s meanwhile: only what the physical function keeps is restored",
        function.id,
        function.driver,
        driver or "its network driver",
    )
    return True


def _bring_back(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> Function:
    """The link on the host, down. Raises Busy while it is not there, unless its driver was left unbound by an attach.

    Returns the function as it is then.
    """
    driver = attachment.prior.get("driver")
    if not function.driver and driver:
        netdev.rebind(tools.card, kernel, function, str(driver), call)
        function = tools.card.functions.get(function.id) or function
    link = tools.card.netdev(kernel, function.id)
    if link is None:
        raise Busy(
            f"the device has no link on the host and is bound to {function.driver or 'no driver'}: "
            "it is on its way back from a Pod, or its driver made none",
            hint="it is tried again; if it does not come, see the kernel log, and bind the device to its network driver",
            subject=f"device {function.id}",
        )
    if link.up and not _is_original(link, attachment):
        with call.step("link.down", link=link.name):
            kernel.set_link(link.index, up=False)
    return function


def _is_original(link: Link, attachment: Attachment) -> bool:
    """Whether there is nothing to restore for which the link must be down."""
    prior = attachment.prior
    return "name" in prior and (link.name, link.mac, link.alias) == (prior["name"], prior["mac"], prior["alias"])


def _forget_mac(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """Take our administrative MAC away: while there is one, many cards let the link take no other. A card that must have one
    gets the link's own of before.

    Some cards report the link's own MAC as the administrative one: it comes back with the link's.
    """
    own = attachment.prior.get("mac")
    configured = tools.card.vf(kernel, function).mac
    if attachment.request.mac is None or configured in (NO_MAC, own):
        return
    for mac in (NO_MAC, own):
        if not mac:
            continue
        try:
            with call.step("vf.forget-mac", device=function.id, mac=mac):
                tools.card.set_vf(kernel, function, "mac", (mac,))
            return
        except Permanent as exc:
            call.log.info("%s does not take the administrative MAC %s: %s", function.id, mac, exc.message)


def _restore_mac(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """The link's own address. A card that refuses it gets it by its driver's new begin; what that gives is taken."""
    mac, driver = attachment.prior.get("mac"), attachment.prior.get("driver")
    if not mac:
        return
    link = netdev.on_host(tools.card, kernel, function.id)
    if netdev.set_mac(kernel, link, mac, call) or not driver:
        return
    kept = f"the link {link.name} keeps the MAC {link.mac} instead of {mac}"
    with _or_stays(kept, function.id, call):
        link = netdev.rebind(tools.card, kernel, function, str(driver), call)
        if not netdev.set_mac(kernel, link, mac, call):
            call.log.warning("%s does not take its old MAC %s back and has %s", function.id, mac, link.mac)


def _restore_link(kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
    """MTU, name, state, and last the alias: until it is gone the link says whose it is."""
    prior, device = attachment.prior, attachment.names["device"]
    mtu, name, alias = prior.get("mtu"), prior.get("name"), prior.get("alias", "")
    if mtu and link.mtu != mtu:
        kept = f"the link {link.name} keeps the MTU {link.mtu} instead of {mtu}"
        with _or_stays(kept, device, call), call.step("link.mtu", link=link.name, mtu=mtu):
            kernel.set_link(link.index, mtu=mtu)
    if name and link.name != name:
        with _or_stays(f"the link {link.name} keeps this name instead of {name}", device, call):
            _require_unused(kernel, link, name, call)
            with call.step("link.rename", link=link.name, to=name):
                kernel.set_link(link.index, name=name)
    if prior.get("up") and not link.up:
        with _or_stays(f"the link {link.name} stays down", device, call), call.step("link.up", link=link.name):
            kernel.set_link(link.index, up=True)
    _restore_altnames(kernel, link.index, attachment, call)
    if link.alias != alias:
        with call.step("link.unmark", link=name or link.name):
            kernel.set_link(link.index, alias=alias)


def _require_unused(kernel: Rtnl, link: Link, name: str, call: Call) -> None:
    """Make sure that no link has the name; the host may have made it an alternative one of the link itself."""
    holder = kernel.link(name)
    if holder is not None and holder.index != link.index:
        raise Conflict(f"its old one, {name}, is taken by {holder.name}")
    if holder is not None:
        with call.step("link.altname", link=link.name, remove=name):
            kernel.remove_altname(link.index, name)


def _restore_altnames(kernel: Rtnl, index: int, attachment: Attachment, call: Call) -> None:
    link = kernel.link_by_index(index)
    for altname in attachment.prior.get("altnames", ()) if link else ():
        if link is None or altname in (link.name, *link.altnames):
            continue
        kept = f"the link {link.name} loses its alternative name {altname}"
        with _or_stays(kept, attachment.names["device"], call), call.step("link.altname", link=link.name, add=altname):
            kernel.add_altname(index, altname)


@contextmanager
def _or_stays(what: str, device: str, call: Call) -> Iterator[None]:
    """What is refused for good keeps no device."""
    try:
        yield
    except Permanent as exc:
        call.log.warning("device %s: %s: %s", device, what, exc.message)
