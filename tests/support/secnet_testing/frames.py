"""See the frames on a link, with their VLAN tags, and wait for one with a deadline."""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ARP", "IPV4", "IPV6", "Capture", "Frame"]

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
_VLAN_TYPES = (0x8100, 0x88A8)

SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
ETH_P_ALL = 0x0003
_AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame. `vlan` is the outer VLAN id (0: a priority tag), None without tag; `ethertype` and `payload` follow the tag.

    priority: that of the tag (PCP, 0 to 7), None without tag.
    """

    dst: str
    src: str
    vlan: int | None
    priority: int | None
    ethertype: int
    payload: bytes
    outgoing: bool

    @property
    def arp(self) -> tuple[int, str, str] | None:
        """Operation, sender address and target address of an ARP frame; None for others."""
        if self.ethertype != ARP or len(self.payload) < 28:
            return None
        operation = struct.unpack_from("!H", self.payload, 6)[0]
        return operation, socket.inet_ntoa(self.payload[14:18]), socket.inet_ntoa(self.payload[24:28])

    @property
    def is_gratuitous_arp(self) -> bool:
        """An ARP frame whose sender announces its own address (RFC 5227)."""
        return self.arp is not None and self.arp[1] == self.arp[2] != "0.0.0.0"

    @property
    def advertised(self) -> str | None:
        """The target of an IPv6 neighbour advertisement (RFC 4861, type 136); None for other frames."""
        if self._icmpv6 != 136 or len(self.payload) < 64:
            return None
        return str(ipaddress.IPv6Address(self.payload[48:64]))

    @property
    def is_router_solicitation(self) -> bool:
        """An IPv6 router solicitation (RFC 4861, type 133): the kernel sends it once an interface has a valid address."""
        return self._icmpv6 == 133

    @property
    def is_router_advertisement(self) -> bool:
        """An IPv6 router advertisement (RFC 4861, type 134)."""
        return self._icmpv6 == 134

    @property
    def is_echo_reply(self) -> bool:
        """The answer to a ping, by IPv4 without options or by IPv6."""
        if self.ethertype == IPV4:
            return len(self.payload) > 20 and (self.payload[9], self.payload[20]) == (1, 0)
        return self._icmpv6 == 129

    @property
    def _icmpv6(self) -> int | None:
        """The type of an ICMPv6 message that follows the IPv6 header directly."""
        is_icmp = self.ethertype == IPV6 and len(self.payload) > 40 and self.payload[6] == 58
        return self.payload[40] if is_icmp else None

    def __str__(self) -> str:
        tag = "" if self.vlan is None else f" vlan {self.vlan}"
        way = "out" if self.outgoing else "in"
        return f"{way} {self.src} > {self.dst}{tag} type {self.ethertype:#06x} {self.payload[:64].hex()}"


class Capture:
    """What passes a link from the moment it is made; `seen` holds every frame read so far."""

    def __init__(self, ifname: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.bind((ifname, ETH_P_ALL))  # the protocol only here: nothing of other links is queued before
        self.ifname = ifname
        self.seen: list[Frame] = []

    def close(self) -> None:
        """End the capture."""
        self._socket.close()

    def wait_for(self, wanted: Callable[[Frame], object], *, within: float = 3.0) -> Frame:
        """The first frame, also of those seen, for which `wanted` is true. AssertionError after `within` seconds."""
        for frame in self.seen:
            if wanted(frame):
                return frame
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                try:
                    frame = self._read()
                except OSError as exc:
                    if exc.errno == errno.ENETDOWN:  # told once when the link is or goes down; the capture lives on
                        continue
                    raise
                self.seen.append(frame)
                if wanted(frame):
                    return frame
        raise AssertionError(
            f"no such frame on {self.ifname} within {within} s; seen:\n" + "\n".join(map(str, self.seen))
        )

    def until(self, marker: Callable[[Frame], object], *, within: float = 3.0) -> list[Frame]:
        """Every frame up to the one for which `marker` is true: the way to show that something did not pass before it."""
        last = self.wait_for(marker, within=within)
        return self.seen[: self.seen.index(last) + 1]

    def _read(self) -> Frame:
        data, ancillary, _, sender = self._socket.recvmsg(65536, 256)
        ethertype = struct.unpack_from("!H", data, 12)[0]
        payload = data[14:]
        tag: int | None = None
        for level, kind, raw in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, *_, tci, _ = _AUXDATA.unpack(raw[: _AUXDATA.size])
                tag = tci if status & TP_STATUS_VLAN_VALID else None
        if tag is None and ethertype in _VLAN_TYPES:  # a tag still inside the frame
            tag = struct.unpack_from("!H", payload)[0]
            ethertype = struct.unpack_from("!H", payload, 2)[0]
            payload = payload[4:]
        return Frame(
            dst=data[0:6].hex(":"),
            src=data[6:12].hex(":"),
            vlan=None if tag is None else tag & 0x0FFF,
            priority=None if tag is None else tag >> 13,
            ethertype=ethertype,
            payload=payload,
            outgoing=sender[2] == PACKET_OUTGOING,
        )
