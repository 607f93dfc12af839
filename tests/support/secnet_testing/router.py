"""A router that advertises itself on an interface."""

from __future__ import annotations

import socket
import struct

__all__ = ["PREFIX", "advertise"]

PREFIX = "2001:db8:bad::"


def advertise(ifname: str) -> None:
    """Send one router advertisement (RFC 4861) from the calling thread's namespace: a default route, and PREFIX for SLAAC.

    The interface has to have a valid link-local address.
    """
    index = socket.if_nametoindex(ifname)
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    message += struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0, socket.inet_pton(socket.AF_INET6, PREFIX))
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sock.sendto(message, ("ff02::1", 0, 0, index))
