"""What on the host carries our tag, rebuilt into attachments without any record."""

from __future__ import annotations

from secnet.contract import Call, Inventory, Owned
from secnet.linux.names import LINK_GROUP
from secnet.linux.rtnl import host_rtnl
from secnet.linux.veths import VethPairs
from secnet.ovs import OvsClient, ready

from .owner import from_port

__all__ = ["take_inventory"]


def take_inventory(owner_tag: str, veths: VethPairs, ovs: OvsClient, call: Call) -> Inventory:
    """Ports and links of the owner tag; a port without its link and a link without its port are incomplete."""
    with host_rtnl() as kernel:
        links = {link.name: link for link in kernel.links(group=LINK_GROUP)}
    owned: list[Owned] = []
    for port in ovs.ports(owner_tag, call):
        attachment = from_port(port)
        if attachment is None:
            continue
        link = links.pop(port.name, None)
        complete = link is not None and veths.is_ours(link, attachment.key) and link.up and ready(port)
        owned.append(Owned(attachment=attachment, complete=complete))
    without_port = veths.inventory(links.values(), whole=lambda link: False)
    return Inventory(owned=(*owned, *without_port.owned), foreign=without_port.foreign)
