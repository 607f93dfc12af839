"""The Pod's primary interface, as far as the status needs it."""

from __future__ import annotations

from collections.abc import Iterable

from secnet.contract import SecnetError
from secnet.linux.netns import open_netns
from secnet.linux.rtnl import netns_rtnl

from ..model.record import Record

__all__ = ["PRIMARY_INTERFACE", "primary_addresses"]

PRIMARY_INTERFACE = "eth0"

_GLOBAL = 0  # rtnetlink address scope


def primary_addresses(records: Iterable[Record]) -> tuple[tuple[str, ...], str | None]:
    """Addresses (without prefix, without link-local ones) and MAC of eth0 in the records' namespace; no MAC: no eth0."""
    for record in records:
        try:
            with open_netns(record.attachment.request.netns) as fd, netns_rtnl(fd) as pod:
                link = pod.link(PRIMARY_INTERFACE)
                if link is None:
                    return (), None
                found = (item for item in pod.addresses(link.index) if item.scope == _GLOBAL)
                return tuple(item.cidr.split("/")[0] for item in found), link.mac
        except SecnetError:
            continue  # that namespace is going away; its status does not matter any more
    return (), None
