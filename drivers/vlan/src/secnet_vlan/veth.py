"""The veth pair of an attachment: whose it is, and how it is made and removed."""

from __future__ import annotations

from secnet.contract import Attachment, Call, Conflict, HostContext, VerifyFailed
from secnet.linux import sysctl
from secnet.linux.names import LINK_GROUP, alias_for
from secnet.linux.rtnl import Link, Rtnl, host_rtnl

__all__ = ["create", "find", "finish", "is_ours", "joined", "remove"]


def is_ours(link: Link, owner_tag: str, attachment: Attachment) -> bool:
    """Whether the link was made for this attachment.

    The kernel takes the group with the create message and the alias only afterwards: a link without alias but with our group,
    under a name that is our hash of the key, is one whose maker died between the two.
    """
    if link.kind != "veth":
        return False
    return link.alias == alias_for(owner_tag, attachment.key) or (not link.alias and link.group == LINK_GROUP)


def find(kernel: Rtnl, owner_tag: str, attachment: Attachment) -> Link | None:
    """The host end, None if there is none. Raises Conflict if something else has its name."""
    name = attachment.names["host"]
    link = kernel.link(name)
    if link is not None and not is_ours(link, owner_tag, attachment):
        raise Conflict(
            f"the host has a link {name} that was not made for this interface",
            hint=f"look at it with `ip -d link show {name}`, and remove it if nothing uses it",
            subject=f"link {name}",
        )
    return link


def joined(host_end: Link, pod_end: Link | None) -> bool:
    """Whether the two are the ends of one pair."""
    return pod_end is not None and pod_end.kind == "veth" and pod_end.peer_index == host_end.index


def create(kernel: Rtnl, attachment: Attachment, left: Link | None, netns_fd: int, call: Call) -> Link:
    """A new pair in place of the one that was left over, if any; the Pod's end has its final name, MAC and MTU and is down."""
    if left is not None:
        _delete(kernel, left, call)  # from a sandbox that is gone, or never finished
    name, ifname, mtu = attachment.names["host"], attachment.request.ifname, attachment.mtu or 0
    with call.step("veth.create", host=name, interface=ifname, mac=attachment.mac, mtu=mtu):
        return kernel.create_veth(name, ifname, netns_fd, attachment.mac, mtu)


def finish(kernel: Rtnl, host: HostContext, attachment: Attachment, link: Link, call: Call) -> Link:
    """Silence the host end, mark it as ours and bring it up; returns it as it reads back. What is right is left alone."""
    name = link.name
    if sysctl.read(f"ipv6/conf/{name}/disable_ipv6", proc_root=host.proc_root) == "0":
        with call.step("veth.silence", host=name):
            sysctl.silence_ipv6(name, proc_root=host.proc_root)
    alias = alias_for(host.owner_tag, attachment.key)
    if link.alias != alias or not link.up:
        # One message: the kernel sets the alias first, and until then the group marks the link (see `is_ours`).
        with call.step("veth.up", host=name, alias=alias):
            kernel.set_link(link.index, alias=alias, up=True)
    made = kernel.link_by_index(link.index)
    if made is None or not made.up or made.alias != alias:
        raise VerifyFailed("the link does not read back as set", hint="it is tried again", subject=f"link {name}")
    return made


def remove(host: HostContext, attachment: Attachment, call: Call) -> None:
    """Remove the pair by its host end, which is here even when the Pod's namespace is not."""
    with host_rtnl() as kernel:
        link = kernel.link(attachment.names["host"])
        if link is None:
            return
        if is_ours(link, host.owner_tag, attachment):
            _delete(kernel, link, call)
        else:
            call.log.warning("the link %s is not ours and stays", link.name)


def _delete(kernel: Rtnl, link: Link, call: Call) -> None:
    with call.step("veth.delete", host=link.name):
        kernel.delete_link(link.index)
