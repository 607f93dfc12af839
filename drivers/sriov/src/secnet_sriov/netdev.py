"""The device's link: where it is, its MAC and MTU, and its way into the Pod and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from secnet.contract import (
    Attachment,
    AttachRequest,
    Busy,
    Call,
    HostContext,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Unsupported,
    VerifyFailed,
)
from secnet.linux.errors import translated
from secnet.linux.functions import AUXILIARY, Function
from secnet.linux.names import host_ifname
from secnet.linux.ownership import ifname_taken
from secnet.linux.rtnl import Link, Rtnl

from .card import Card
from .mark import mark_of
from .settings import network_of

__all__ = [
    "claim",
    "follows",
    "host_netns",
    "in_pod",
    "mac_refused",
    "move",
    "on_host",
    "rebind",
    "require_free_name",
    "require_ready",
    "return_to_host",
    "set_mac",
    "set_mtu",
    "strip_altnames",
    "try_mac",
]

_LOOPBACK = 0x8  # IFF_LOOPBACK
_FOLLOW_SECONDS = 0.5  # a driver that follows the physical function's word on the MAC does so at once or never
_APPEAR_SECONDS = 5.0
_POLL_SECONDS = 0.05
_REFUSED = (InvalidConfig, MissingPrivilege, Unsupported, Busy)


def in_pod(card: Card, pod: Rtnl, attachment: Attachment, owner_tag: str) -> Link | None:
    """The device's link in the Pod, under whatever name: by the kernel's word, or by our mark where the kernel has none.

    A Pod may give a link that it made our mark, so a mark counts only on what can be a card's: such a link has no kind.
    """
    device, mark = attachment.names["device"], mark_of(owner_tag, attachment.request)
    named = pod.link(attachment.request.ifname)
    if named is not None and card.is_of(named, device):
        return named
    links = pod.links()
    by_kernel = (link for link in links if card.is_of(link, device))
    by_mark = (link for link in links if link.alias == mark and _may_be_of_a_card(link))
    return next(by_kernel, None) or next(by_mark, None)


def _may_be_of_a_card(link: Link) -> bool:
    """Whether the kernel does not say what the link is, as of a card's before Linux 5.14."""
    return not link.kind and not link.parent_device and not link.flags & _LOOPBACK


def on_host(card: Card, kernel: Rtnl, device: str) -> Link:
    """The device's link on the host. Raises Busy while it has none there."""
    link = card.netdev(kernel, device)
    if link is None:
        raise Busy(
            "the device has no link on the host: it is in a Pod, or on its way back from one",
            hint="it is tried again; if no Pod has it, see whether its driver is bound",
            subject=f"device {device}",
        )
    return link


def require_free_name(pod: Rtnl, request: AttachRequest) -> None:
    """Raise Conflict if the Pod has an interface of this name, or one with it as an alternative name."""
    holder = pod.link(request.ifname)
    if holder is not None:
        raise ifname_taken(request, holder.name)


def claim(kernel: Rtnl, link: Link, attachment: Attachment, owner_tag: str, call: Call) -> None:
    """Mark the link as ours and bring it down, by one message."""
    mark = mark_of(owner_tag, attachment.request)
    if link.alias != mark or link.up:
        with call.step("link.claim", link=link.name, alias=mark):
            kernel.set_link(link.index, alias=mark, up=False)


def strip_altnames(kernel: Rtnl, link: Link, call: Call) -> None:
    """Take the link's alternative names away: no namespace takes a link in with one that is taken there.

    An attachment keeps those of the host in `prior`, and gives them back last.
    """
    for altname in link.altnames:
        with call.step("link.altname", link=link.name, remove=altname):
            kernel.remove_altname(link.index, altname)


def set_mac(kernel: Rtnl, link: Link, mac: str | None, call: Call) -> bool:
    """Set the link's own address. False if the card does not let it: the physical function has the last word then."""
    return try_mac(kernel, link, mac, call) is None


def try_mac(kernel: Rtnl, link: Link, mac: str | None, call: Call) -> SecnetError | None:
    """Set the link's own address; what the card says if it does not let it."""
    if mac is None or link.mac == mac:
        return None
    with call.step("link.mac", link=link.name, mac=mac):
        try:
            kernel.set_link(link.index, mac=mac)
        except _REFUSED as exc:
            call.log.info("%s does not take the MAC %s by itself: %s", link.name, mac, exc.message)
            return exc
    return None


def mac_refused(attachment: Attachment, refusal: SecnetError) -> SecnetError:
    """The error where nothing else here can set the MAC: permanent, unless the link is only busy."""
    if refusal.retryable:
        return refusal
    hint = "leave mac out, or let the host that has the card allow it (`ip link set PF vf N trust on`)"
    if attachment.state.get("bus") == AUXILIARY:
        hint = "leave mac out, or give it to the subfunction's port (`devlink port function set PORT hw_addr MAC`)"
    return Unsupported(
        f"the device {attachment.names['device']} does not take the MAC {attachment.mac}: {refusal.message}",
        hint=hint,
        subject=network_of(attachment.request),
        path="mac",
    )


def set_mtu(kernel: Rtnl, link: Link, attachment: Attachment, call: Call) -> None:
    """Set the MTU; a refusal names it."""
    mtu = attachment.mtu
    if mtu is None or link.mtu == mtu:
        return
    with call.step("link.mtu", link=link.name, mtu=mtu):
        try:
            kernel.set_link(link.index, mtu=mtu)
        except (InvalidConfig, Unsupported) as exc:
            subject = network_of(attachment.request)
            raise type(exc)(exc.message, hint="lower mtu or leave it out", subject=subject, path="$.mtu") from exc


def follows(card: Card, kernel: Rtnl, device: str, mac: str, call: Call) -> bool:
    """Whether the link has the address that the physical function has set, now or a moment later."""
    waited = 0.0
    while True:
        link = card.netdev(kernel, device)
        if link is not None and link.mac == mac:
            return True
        if waited >= _FOLLOW_SECONDS:
            return False
        call.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def rebind(card: Card, kernel: Rtnl, function: Function, driver: str, call: Call) -> Link:
    """Rebind the driver of the device, and wait for the link it makes: it has another index, name and no alias."""
    if function.driver:
        with call.step("driver.unbind", device=function.id, driver=function.driver):
            card.functions.unbind(function.id, function.driver)
    with call.step("driver.bind", device=function.id, driver=driver):
        card.functions.bind(function.id, driver)
    waited = 0.0
    while waited < _APPEAR_SECONDS:
        link = card.netdev(kernel, function.id)
        if link is not None:
            return link
        call.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    raise NotReady(
        f"the driver {driver} made no link of the device",
        hint="it is tried again; see the kernel log",
        subject=f"device {function.id}",
    )


def require_ready(kernel: Rtnl, index: int, attachment: Attachment, owner_tag: str) -> None:
    """Read the link back before it moves: afterwards nothing can be refused any more."""
    link = kernel.link_by_index(index)
    wanted = (attachment.mac, attachment.mtu, mark_of(owner_tag, attachment.request), False)
    found = None if link is None else (link.mac, link.mtu, link.alias, link.up)
    if found != wanted:
        raise VerifyFailed(
            f"MAC, MTU, alias and state of the link read back as {found} instead of {wanted}",
            hint="it is tried again; another program on the host may have changed the link",
            subject=f"device {attachment.names['device']}",
        )


def move(kernel: Rtnl, index: int, netns_fd: int, attachment: Attachment, call: Call) -> None:
    """Into the Pod under its final name, by one message."""
    ifname = attachment.request.ifname
    with call.step("link.move", device=attachment.names["device"], interface=ifname):
        kernel.move_link(index, netns_fd, ifname)


def return_to_host(pod: Rtnl, kernel: Rtnl, link: Link, host: HostContext, attachment: Attachment, call: Call) -> None:
    """Out of the Pod, down, under its old name; under one of ours where the old one is taken by now."""
    strip_altnames(pod, link, call)
    name = attachment.prior.get("name") or link.name
    if kernel.link(name) is not None:
        name = host_ifname(attachment.key)
        call.log.warning("%s comes back as %s: its old name is taken", attachment.names["device"], name)
    with host_netns(host) as fd, call.step("link.return", device=attachment.names["device"], link=name):
        pod.move_link(link.index, fd, name, up=False)


@contextmanager
def host_netns(host: HostContext) -> Iterator[int]:
    """A descriptor of the namespace that this thread is in."""
    path = host.proc_root / "thread-self/ns/net"
    with translated(f"opening {path}"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
