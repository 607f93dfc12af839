"""A link as the kernel describes it."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass, field
from functools import lru_cache

from .replies import attributes, each, fields, mac, number, text

__all__ = ["IFF_UP", "Link", "link_name", "parse_link"]

IFF_UP = 0x1
IFF_RUNNING = 0x40
IFF_LOWER_UP = 0x10000

_HEADER = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change mask
# Attributes, from linux/if_link.h.
_MAC, _NAME, _MTU, _LINK, _MASTER, _INFO, _ALIAS, _GROUP = 1, 3, 4, 5, 10, 18, 20, 27
_AF_SPEC, _LINK_NETNSID = 26, 37
_MIN_MTU, _MAX_MTU, _PROPERTIES, _ALTNAME, _PERMANENT_MAC, _PARENT_NAME, _PARENT_BUS = 50, 51, 52, 53, 54, 56, 57
_WANTED = frozenset(
    {_MAC, _NAME, _MTU, _LINK, _LINK_NETNSID, _MASTER, _INFO, _ALIAS, _GROUP, _AF_SPEC}
    | {_MIN_MTU, _MAX_MTU, _PROPERTIES, _PERMANENT_MAC, _PARENT_NAME, _PARENT_BUS}
)
_INFO_KIND, _INFO_DATA = 1, 2
_SETTINGS = {4: (socket.AF_INET, 1), 6: (socket.AF_INET6, 2)}  # IFLA_INET_CONF, IFLA_INET6_CONF: one number each


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An interface as it was when it was read.

    mtu, min_mtu, max_mtu: bytes; 0 where the device states no limit. kind: `veth`, `bridge`, ..., empty for a plain device.
    carrier: the device has a live peer or cable (and is up). group: 0 is the default group.
    running: the kernel sends too (RFC 2863 oper status up). It follows carrier by up to a second at the end of a veth that was
    brought up first: until then what is sent there is dropped without an error, while what comes in is received.
    master, lower: indexes of the bridge it is a port of, and of the device it sits on (a macvlan's parent); 0 if none.
    lower_elsewhere: that device is in another namespace, where its index counts.
    peer_index: for a veth, index of the other end in its own namespace; 0 if unknown. peer_elsewhere: that is another namespace
    than this end's.
    permanent_mac: the address burnt in, empty if there is none.
    altnames: its alternative names, by which the kernel finds it too: no other link there can have one of them.
    parent_bus, parent_device: the device under it, such as `pci` and `0000:3b:02.1`; empty for a virtual one.
    kind_data: what the kernel says of this kind alone, undecoded (see `kind_number`). No part of a comparison: counting timers
    of a bridge stand in it. protocol_data: what it says of IPv4 and IPv6 on the link, undecoded (see `setting`).
    """

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    running: bool
    kind: str
    group: int
    alias: str
    master: int
    lower: int
    peer_index: int
    min_mtu: int
    max_mtu: int
    permanent_mac: str
    parent_bus: str
    parent_device: str
    flags: int
    lower_elsewhere: bool = False
    peer_elsewhere: bool = False
    altnames: tuple[str, ...] = ()
    kind_data: bytes = field(default=b"", compare=False, repr=False)
    protocol_data: bytes = field(default=b"", compare=False, repr=False)

    def kind_number(self, attribute: int) -> int | None:
        """A number among the kind's own attributes by its number in linux/if_link.h, such as 1 for IFLA_MACVLAN_MODE.

        None if the kernel did not send it.
        """
        payload = attributes(self.kind_data, 0, (attribute,)).get(attribute)
        return None if payload is None else number(payload)

    def setting(self, family: int, position: int) -> int | None:
        """A sysctl of the link by its position in the kernel's list: IPV4_DEVCONF_... - 1 in linux/ip.h, DEVCONF_... in
        linux/ipv6.h. None where the kernel has none, as for IPv6 on a link that is too small for it.
        """
        number_of_family, attribute = _SETTINGS[family]
        of_family = attributes(self.protocol_data, 0, (number_of_family,)).get(number_of_family, b"")
        values = attributes(of_family, 0, (attribute,)).get(attribute, b"")[4 * position : 4 * position + 4]
        return int.from_bytes(values, sys.byteorder, signed=True) if values else None


def link_name(body: bytes) -> str:
    """The name alone, from the body of an RTM_NEWLINK or RTM_DELLINK message.

    Not by `parse_link`, whose cache would fill with states that links had for a moment.
    """
    return text(attributes(body, _HEADER.size, (_NAME,)).get(_NAME))


@lru_cache(maxsize=1024)
def parse_link(body: bytes) -> Link:
    """A link from the body of an RTM_NEWLINK message.

    Cached, because an unchanged link is equal byte for byte: decoding was half the work of a dump of a hundred.
    """
    _, _, index, flags, _ = fields(_HEADER, body)
    attrs = attributes(body, _HEADER.size, _WANTED)
    info = attributes(attrs.get(_INFO, b""), 0, (_INFO_KIND, _INFO_DATA))
    kind = text(info.get(_INFO_KIND))
    other = number(attrs.get(_LINK))
    return Link(
        index=index,
        name=text(attrs.get(_NAME)),
        mac=mac(attrs.get(_MAC)),
        mtu=number(attrs.get(_MTU)),
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        running=bool(flags & IFF_RUNNING),
        kind=kind,
        group=number(attrs.get(_GROUP)),
        alias=text(attrs.get(_ALIAS)),
        master=number(attrs.get(_MASTER)),
        lower=0 if kind == "veth" else other,
        lower_elsewhere=kind != "veth" and _LINK_NETNSID in attrs,
        peer_index=other if kind == "veth" else 0,
        peer_elsewhere=kind == "veth" and _LINK_NETNSID in attrs,
        min_mtu=number(attrs.get(_MIN_MTU)),
        max_mtu=number(attrs.get(_MAX_MTU)),
        permanent_mac=mac(attrs.get(_PERMANENT_MAC)),
        parent_bus=text(attrs.get(_PARENT_BUS)),
        parent_device=text(attrs.get(_PARENT_NAME)),
        flags=flags,
        altnames=tuple(map(text, each(attrs.get(_PROPERTIES, b""), _ALTNAME))),
        kind_data=info.get(_INFO_DATA, b""),
        protocol_data=attrs.get(_AF_SPEC, b""),
    )
