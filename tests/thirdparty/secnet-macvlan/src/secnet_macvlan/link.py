"""The macvlan of an attachment: whose it is, and how it is made and removed. It never stands outside the Pod's namespace."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import Attachment, Busy, Call, Conflict, Finding, InvalidConfig, VerifyFailed
from secnet.linux.names import LINK_GROUP, alias_for
from secnet.linux.rtnl import Link, Rtnl, host_rtnl

__all__ = ["create", "deviations", "find", "is_ours", "mark", "remove"]

KIND = "macvlan"
IFLA_MACVLAN_MODE = 1  # linux/if_link.h
MODES = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}


def is_ours(link: Link, owner_tag: str, attachment: Attachment) -> bool:
    """Whether the link was made for this attachment.

    Its alias says so, whatever the link is called now. Between the two steps of `attach` it has none yet: then our link group
    and the planned MAC must do beside the name, which is the Pod's choice and proves nothing.
    """
    if link.kind != KIND:
        return False
    if link.alias:
        return link.alias == alias_for(owner_tag, attachment.key)
    return (link.name, link.group, link.mac) == (attachment.request.ifname, LINK_GROUP, attachment.mac)


def find(pod: Rtnl, owner_tag: str, attachment: Attachment) -> Link | None:
    """The interface under its name, None if there is none.

    Raises Conflict if the Pod has another one of its name, or has given ours another name: a second one would have its MAC.
    """
    ifname = attachment.request.ifname
    found = None
    for link in pod.links():
        ours = is_ours(link, owner_tag, attachment)
        if ours and link.name == ifname:
            found = link
        elif ours or link.name == ifname:
            message = (
                f"the Pod has renamed {ifname} to {link.name}" if ours else f"the Pod has an interface {ifname} already"
            )
            raise Conflict(
                message,
                hint=f"rename {link.name} back, or remove it" if ours else "ask for another interface name",
                subject=f"Pod {attachment.request.pod or attachment.request.container_id}",
            )
    return found


def create(netns_fd: int, attachment: Attachment, call: Call) -> Link:
    """Make it in the Pod's namespace, down, with its final name, MAC and MTU, by one message."""
    ifname, master, mode = attachment.request.ifname, attachment.names["master"], attachment.state["mode"]
    with host_rtnl() as kernel, call.step("macvlan.create", interface=ifname, master=master, mode=mode):
        try:
            return kernel.create_link(
                ifname,
                KIND,
                netns_fd=netns_fd,
                lower=attachment.state["master_index"],
                mac=attachment.mac,
                mtu=attachment.mtu,
                data=[("IFLA_MACVLAN_MODE", mode)],
            )
        except InvalidConfig as exc:
            # The plan has looked at every value: the master changed since, or is taken, which only the kernel knows.
            raise Busy(
                f"{master} takes no macvlan of mode {mode} and MTU {attachment.mtu} now: {exc.message}",
                hint="it is tried again; if it stays so, another macvlan has the master in mode passthru",
                subject=f"link {master}",
            ) from exc


def mark(pod: Rtnl, link: Link, owner_tag: str, attachment: Attachment, call: Call) -> Link:
    """Give the link its alias unless it has it; returns it as it reads back."""
    alias = alias_for(owner_tag, attachment.key)
    if link.alias != alias:
        with call.step("macvlan.mark", interface=link.name, alias=alias):
            pod.set_link(link.index, alias=alias)
    made = pod.link_by_index(link.index)
    if made is None or made.alias != alias:
        raise VerifyFailed("the link does not read back as set", hint="it is tried again", subject=f"link {link.name}")
    return made


def remove(pod: Rtnl, owner_tag: str, attachment: Attachment, call: Call) -> None:
    """Remove what is ours, also under another name; what only has the name stays."""
    for link in pod.links():
        if is_ours(link, owner_tag, attachment):
            with call.step("macvlan.delete", interface=link.name):
                pod.delete_link(link.index)
        elif link.name == attachment.request.ifname:
            call.log.warning("the Pod's interface %s is not ours and stays", link.name)


def deviations(attachment: Attachment, link: Link, master_mtu: int | None = None) -> Iterator[Finding]:
    """What differs from the plan. Whether it is up is the core's to say.

    master_mtu: of today. A lower one has taken the interface's with it, and an MTU that was asked for then cannot be had by
    making the interface anew: that would only end it.
    """
    index = attachment.state["master_index"]
    mode = MODES.get(link.kind_number(IFLA_MACVLAN_MODE) or 0, "unknown")
    for code, what, found, wanted in (
        ("WrongMac", "the MAC", link.mac, attachment.mac),
        ("WrongMode", "the mode", mode, attachment.state["mode"]),
        ("WrongMaster", "a master with the index", link.lower, index),
    ):
        if found != wanted:
            yield Finding(code=code, message=f"{link.name} has {what} {found} instead of {wanted}")
    if link.mtu != attachment.mtu:
        asked = attachment.request.mtu
        possible = asked is None or master_mtu is None or asked <= master_mtu
        message = f"{link.name} has the MTU {link.mtu} instead of {attachment.mtu}"
        yield Finding(code="WrongMtu", message=message, repairable=possible)
