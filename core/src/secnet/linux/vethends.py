"""The two ends of a veth pair, one on the host and one in a Pod: which link is the other end, and how they differ from a plan."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import WRONG_MAC, WRONG_MTU, Attachment, Finding

from .link import Link
from .rtnl import Rtnl

__all__ = ["KIND", "are_joined", "differences", "pod_end_of", "renamed_end"]

KIND = "veth"


def pod_end_of(pod: Rtnl, host_end: Link | None) -> Link | None:
    """The other end of the pair in the Pod, found by its index: its name is the Pod's to change."""
    if host_end is None or not host_end.peer_index:
        return None
    link = pod.link_by_index(host_end.peer_index)
    return link if link is not None and are_joined(host_end, link) else None


def are_joined(host_end: Link | None, pod_end: Link) -> bool:
    """Whether the two, of different namespaces, are the ends of one pair."""
    joined = host_end is not None and (pod_end.peer_index, host_end.peer_index) == (host_end.index, pod_end.index)
    return joined and pod_end.kind == KIND and pod_end.peer_elsewhere


def renamed_end(kernel: Rtnl, pod: Rtnl, alias: str) -> Link | None:
    """The host's end with this alias, which someone renamed: found from its other end in the Pod."""
    for inside in pod.links():
        if inside.kind == KIND and inside.peer_elsewhere:
            link = kernel.link_by_index(inside.peer_index)
            if link is not None and link.alias == alias and are_joined(link, inside):
                return link
    return None


def differences(
    attachment: Attachment, host_end: Link | None, pod_end: Link | None, *, in_use: str
) -> Iterator[Finding]:
    """How the two ends differ from the plan. in_use: see `CheckReport`; the Pod's end is not compared then."""
    name, ifname = attachment.names["host"], attachment.request.ifname
    if host_end is None:
        yield Finding(code="HostLinkMissing", message=f"the host has no link {name} of this interface")
        return
    if pod_end is None:
        yield Finding(code="PodLinkMissing", message=f"the Pod has no interface that is joined to {name}", in_pod=True)
        return
    if host_end.name != name:
        yield Finding(code="HostLinkRenamed", message=f"the host link {name} is named {host_end.name}")
    if not host_end.up:
        yield Finding(code="HostLinkDown", message=f"the host link {name} is down")
    if host_end.mtu != attachment.mtu:
        message = f"the host link {name} has the MTU {host_end.mtu} instead of {attachment.mtu}"
        yield Finding(code=WRONG_MTU, message=message)
    if in_use:
        return
    if pod_end.mac != attachment.mac:
        message = f"{ifname} has the MAC {pod_end.mac} instead of {attachment.mac}"
        yield Finding(code=WRONG_MAC, message=message, in_pod=True)
    if pod_end.mtu != attachment.mtu:
        message = f"{ifname} has the MTU {pod_end.mtu} instead of {attachment.mtu}"
        yield Finding(code=WRONG_MTU, message=message, in_pod=True)
