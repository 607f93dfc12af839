"""What on the host carries our tag, rebuilt into attachments without any record."""

from __future__ import annotations

from secnet.contract import Call, ForeignObject, Inventory, Owned
from secnet.linux.names import HOST_PREFIX, LINK_GROUP, host_ifname, parse_alias
from secnet.linux.rtnl import Link, host_rtnl
from secnet.ovs import OvsClient, ready

from .owner import from_key, from_port
from .veth import is_ours

__all__ = ["take_inventory"]


def take_inventory(owner_tag: str, ovs: OvsClient, call: Call) -> Inventory:
    """Ports and links of the owner tag; a port without its link and a link without its port are incomplete."""
    with host_rtnl() as kernel:
        links = {link.name: link for link in kernel.links(group=LINK_GROUP) if link.kind == "veth"}
    owned: list[Owned] = []
    for port in ovs.ports(owner_tag, call):
        attachment = from_port(port)
        if attachment is None:
            continue
        link = links.pop(port.name, None)
        complete = link is not None and is_ours(link, owner_tag, attachment) and link.up and ready(port)
        owned.append(Owned(attachment=attachment, complete=complete))
    foreign: list[ForeignObject] = []
    for link in links.values():
        _sort_link(link, owner_tag, owned, foreign)
    return Inventory(owned=tuple(owned), foreign=tuple(foreign))


def _sort_link(link: Link, owner_tag: str, owned: list[Owned], foreign: list[ForeignObject]) -> None:
    """A link without port: ours by alias and name, or one whose maker died before it could write the alias.

    Drivers share the tag and the group, and each has a prefix of its own: another one's link is none of our business.
    """
    marked = parse_alias(link.alias)
    if marked is not None and marked[0] == owner_tag and link.name == host_ifname(marked[1]):
        owned.append(Owned(attachment=from_key(marked[1], link.name), complete=False))
    elif not link.alias and link.name.startswith(HOST_PREFIX):
        foreign.append(
            ForeignObject(
                kind="link",
                name=link.name,
                message=f"a half-made link of a secnet agent, which names no interface; remove it with "
                f"`ip link del {link.name}` if no attach is running",
            )
        )
