"""What went through a link, as the kernel counts it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from secnet.contract import Traffic

from .replies import attributes, fields, text

__all__ = ["LinkCounters", "parse_counters"]

_HEADER = struct.Struct("=BxHiII")  # struct ifinfomsg
_NAME, _STATS64 = 3, 23  # from linux/if_link.h
_STATS = struct.Struct("=QQQQ")  # struct rtnl_link_stats64: packets in, packets out, bytes in, bytes out, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounters:
    """Since the link was made, as seen from the namespace that it is in."""

    name: str
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int

    def of_this_end(self) -> Traffic:
        """For a link that is the Pod's interface."""
        return Traffic(
            received_bytes=self.bytes_in,
            received_packets=self.packets_in,
            sent_bytes=self.bytes_out,
            sent_packets=self.packets_out,
        )

    def of_other_end(self) -> Traffic:
        """For the host's end of a pair of veths, whose other end is the Pod's interface."""
        return Traffic(
            received_bytes=self.bytes_out,
            received_packets=self.packets_out,
            sent_bytes=self.bytes_in,
            sent_packets=self.packets_in,
        )


def parse_counters(body: bytes) -> LinkCounters | None:
    """From the body of an RTM_NEWLINK message; None for a link that counts nothing."""
    fields(_HEADER, body)
    attrs = attributes(body, _HEADER.size, (_NAME, _STATS64))
    if _STATS64 not in attrs:
        return None
    packets_in, packets_out, bytes_in, bytes_out = fields(_STATS, attrs[_STATS64])
    return LinkCounters(
        name=text(attrs.get(_NAME)),
        packets_in=packets_in,
        packets_out=packets_out,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )
