"""Addresses of links."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from functools import lru_cache

from secnet.contract import InvalidConfig, Unsupported

from .connection import NetlinkError, given
from .links import LinkRequests
from .replies import address, attributes, fields, number

__all__ = ["Address", "AddressRequests"]

IFA_F_TEMPORARY = 0x01  # IPv6 only: the number says something else of IPv4
IFA_F_NODAD = 0x02
IFA_F_OPTIMISTIC = 0x04
IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
IFA_F_MANAGETEMPADDR = 0x100  # what the kernel makes by itself from a router advertisement has it

_LINK_SCOPE = 253  # rtnetlink: RT_SCOPE_LINK
_HEADER = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
# Attributes, from linux/if_addr.h.
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8
_WANTED = frozenset((_ADDRESS, _LOCAL, _FLAGS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of a link. `cidr` is `ADDRESS/PREFIX`; `scope` as in rtnetlink (0 global, 253 link, 254 host).

    tentative: duplicate address detection runs. dad_failed: another host has the address, and the kernel does not use it.
    permanent: it has no end. advertised: the kernel made it from a router advertisement.
    """

    index: int
    cidr: str
    scope: int
    tentative: bool
    dad_failed: bool
    permanent: bool
    advertised: bool = False

    @property
    def is_global(self) -> bool:
        """Whether it is more than an address of the link or of the host itself."""
        return self.scope < _LINK_SCOPE


@lru_cache(maxsize=1024)
def parse_address(body: bytes) -> Address:
    """An address from the body of an RTM_NEWADDR message."""
    family, prefix, flags, scope, index = fields(_HEADER, body)
    attrs = attributes(body, _HEADER.size, _WANTED)
    if _FLAGS in attrs:  # the header has room for eight of them
        flags = number(attrs[_FLAGS])
    # On a point-to-point link IFA_ADDRESS is the other side's.
    return Address(
        index=index,
        cidr=f"{address(attrs.get(_LOCAL) or attrs.get(_ADDRESS))}/{prefix}",
        scope=scope,
        tentative=bool(flags & IFA_F_TENTATIVE),
        dad_failed=bool(flags & IFA_F_DADFAILED),
        permanent=bool(flags & IFA_F_PERMANENT),
        advertised=family == socket.AF_INET6 and bool(flags & (IFA_F_MANAGETEMPADDR | IFA_F_TEMPORARY)),
    )


class AddressRequests(LinkRequests):
    """Requests about addresses."""

    def addresses(self, index: int | None = None) -> tuple[Address, ...]:
        """The addresses of one link, or of all."""
        found = map(parse_address, self._dump("addr", "listing the addresses", header={"index": index or 0}))
        return tuple(item for item in found if index is None or item.index == index)

    def add_address(self, index: int, cidr: str, nodad: bool = True, optimistic: bool = False) -> None:
        """Give a link an address, `ADDRESS/PREFIX`; one that it has already is success.

        nodad: an IPv6 address is usable at once; without it the kernel first asks the network for a second (libraries: 1.4 s).
        optimistic: usable at once while the kernel asks; needs `optimistic_dad` set for the link, and `nodad` false.
        """
        try:
            interface = ipaddress.ip_interface(cidr)
        except ValueError as exc:
            raise InvalidConfig(f"{cidr!r} is not an address with a prefix", hint="write it like 10.1.2.3/24") from exc
        own = str(interface.ip)
        if interface.version == 6:
            family, flags = socket.AF_INET6, (IFA_F_NODAD if nodad else 0) | (IFA_F_OPTIMISTIC if optimistic else 0)
            attrs = given(IFA_ADDRESS=own, IFA_FLAGS=flags)
        else:
            family = socket.AF_INET
            attrs = given(IFA_ADDRESS=own, IFA_LOCAL=own)
        header = {"index": index, "prefixlen": interface.network.prefixlen, "family": family}
        try:
            self._try("addr", "replace", attrs=attrs, header=header)
        except NetlinkError as fault:
            doing = f"adding the address {cidr} to {self.link_name(index)}"
            if fault.code == errno.EACCES and interface.version == 6:
                raise Unsupported(
                    f"{doing}: IPv6 is switched off on the link",
                    hint="set net.ipv6.conf.<interface>.disable_ipv6 to 0 in the Pod, or give it no IPv6 pool",
                    subject=cidr,
                ) from fault
            raise self._error(fault, doing, cidr) from fault

    def delete_address(self, index: int, cidr: str) -> None:
        """Take an address, `ADDRESS/PREFIX`, from a link. One that is gone is success."""
        interface = ipaddress.ip_interface(cidr)
        family = socket.AF_INET6 if interface.version == 6 else socket.AF_INET
        header = {"index": index, "prefixlen": interface.network.prefixlen, "family": family}
        try:
            self._try("addr", "del", attrs=given(IFA_LOCAL=str(interface.ip)), header=header)
        except NetlinkError as fault:
            if fault.code not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                doing = f"removing the address {cidr} from {self.link_name(index)}"
                raise self._error(fault, doing, cidr) from fault
