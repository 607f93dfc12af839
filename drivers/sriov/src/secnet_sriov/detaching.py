"""Detach: bring the device back to the host and make it what it was. The only undo path, from any point of an attach.

A device is touched only while this attachment holds it, by the holding or, where that was lost, by the mark on its link.
"""

from __future__ import annotations

from contextlib import ExitStack

from secnet.contract import Attachment, Call, Gone, InvalidConfig, Unsupported
from secnet.linux.functions import Function
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl

from . import netdev, rdma, representor
from .attributes import NO_MAC, restore
from .mark import mark_of
from .store import Holding
from .tools import Tools, is_kept, is_known

__all__ = ["detach", "give_back"]

_LAST = ("vlan", "spoofchk", "trust", "rate", "linkState")


def detach(tools: Tools, attachment: Attachment, call: Call) -> None:
    """See `NetworkDriver.detach`. Raises Busy while the device is on its way back."""
    device, tag = attachment.names["device"], tools.host.owner_tag
    holding = tools.holding(attachment)
    if holding is None:
        _give_back(tools, attachment, tag, call, held=False)
    elif holding.of(tag, attachment.key):
        give_back(tools, holding, call)
    else:
        call.log.debug("%s is held by %s and stays", device, holding.attachment.key)


def give_back(tools: Tools, holding: Holding, call: Call) -> None:
    """Make a device what it was before its holder took it, whoever that is, and forget the holding."""
    device = holding.attachment.names["device"]
    _give_back(tools, holding.attachment, holding.owner_tag, call, held=True)
    with call.step("device.release", device=device):
        tools.store.remove(device)


def _give_back(tools: Tools, attachment: Attachment, owner_tag: str, call: Call, *, held: bool) -> None:
    device = attachment.names["device"]
    with host_rtnl() as kernel, ExitStack() as stack:
        pod = _pod(stack, attachment)
        inside = netdev.in_pod(tools.card, pod, attachment, owner_tag) if pod else None
        if not held and inside is None and not _is_marked(tools, kernel, attachment):
            return
        if pod is not None:
            rdma.move_back(attachment, tools.host, call)
        representor.unplug(kernel, tools.ovs, tools.host, attachment, call)
        if pod is not None and inside is not None:
            netdev.return_to_host(pod, kernel, inside, tools.host, attachment, call)
        function = tools.card.functions.get(device)
        if function is not None:
            _restore(tools, kernel, attachment, function, call)
        else:
            call.log.warning("%s is gone from the bus; nothing of it can be restored", device)


def _pod(stack: ExitStack, attachment: Attachment) -> Rtnl | None:
    """A handle in the Pod's namespace; None if that is gone."""
    try:
        return stack.enter_context(pod_rtnl(attachment.request.netns))[1]
    except Gone:
        return None


def _is_marked(tools: Tools, kernel: Rtnl, attachment: Attachment) -> bool:
    link = tools.card.netdev(kernel, attachment.names["device"])
    return link is not None and link.alias == mark_of(tools.host.owner_tag, attachment.request)


def _restore(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    if not is_known(attachment.prior):
        call.log.warning(
            "what %s was is not known: it is given back with VLAN 0, spoofchk on and trust off", function.id
        )
    card, keeps = tools.card, is_kept(tools.card, kernel, function, attachment.prior)
    if attachment.state.get("userspace"):
        if keeps:
            restore(card, kernel, function, attachment, ("mac", *_LAST), call)
        return
    _bring_back(tools, kernel, attachment, function, call)
    if keeps:
        _forget_mac(tools, kernel, attachment, function, call)
    _restore_mac(tools, kernel, attachment, function, call)
    if keeps:
        restore(card, kernel, function, attachment, ("mac", *_LAST), call)
    _restore_link(kernel, netdev.on_host(card, kernel, function.id), attachment, call)


def _bring_back(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """The link on the host, down. Raises Busy while it is not there, unless its driver was left unbound by an attach."""
    driver = attachment.prior.get("driver")
    if not function.driver and driver:
        netdev.rebind(tools.card, kernel, function, str(driver), call)
    link = netdev.on_host(tools.card, kernel, function.id)
    if link.up and not _is_original(link, attachment):
        with call.step("link.down", link=link.name):
            kernel.set_link(link.index, up=False)


def _is_original(link: Link, attachment: Attachment) -> bool:
    """Whether there is nothing to restore for which the link must be down."""
    prior = attachment.prior
    return "name" in prior and (link.name, link.mac, link.alias) == (prior["name"], prior["mac"], prior["alias"])


def _forget_mac(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """Take our administrative MAC away: while there is one, many cards let the link take no other.

    Some cards report the link's own MAC as the administrative one: it comes back with the link's.
    """
    prior = attachment.prior
    told = tools.card.vf(kernel, function).mac
    if attachment.request.mac is None or told in (NO_MAC, prior.get("mac")):
        return
    with call.step("vf.forget-mac", device=function.id):
        try:
            tools.card.set_vf(kernel, function, "mac", (NO_MAC,))
        except (InvalidConfig, Unsupported) as exc:
            call.log.info("%s keeps an administrative MAC: %s", function.id, exc.message)


def _restore_mac(tools: Tools, kernel: Rtnl, attachment: Attachment, function: Function, call: Call) -> None:
    """The link's own address. A card that refuses it gets it by its driver's new begin; what that gives is taken."""
    mac, driver = attachment.prior.get("mac"), attachment.prior.get("driver")
    if not mac:
        return
    link = netdev.on_host(tools.card, kernel, function.id)
    if netdev.set_mac(kernel, link, mac, call) or not driver:
        return
    link = netdev.rebind(tools.card, kernel, function, str(driver), call)
    if not netdev.set_mac(kernel, link, mac, call):
        call.log.warning("%s does not take its old MAC %s back and has %s", function.id, mac, link.mac)


def _restore_link(kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
    """MTU, name, state, and last the alias: until it is gone the link says whose it is."""
    prior = attachment.prior
    mtu, name, alias = prior.get("mtu"), prior.get("name"), prior.get("alias", "")
    if mtu and link.mtu != mtu:
        with call.step("link.mtu", link=link.name, mtu=mtu):
            kernel.set_link(link.index, mtu=mtu)
    if name and link.name != name:
        if kernel.link(name) is None:
            with call.step("link.rename", link=link.name, to=name):
                kernel.set_link(link.index, name=name)
        else:
            call.log.warning("the link %s keeps this name: its old one, %s, is taken", link.name, name)
    if prior.get("up") and not link.up:
        with call.step("link.up", link=name):
            kernel.set_link(link.index, up=True)
    if link.alias != alias:
        with call.step("link.unmark", link=name or link.name):
            kernel.set_link(link.index, alias=alias)
