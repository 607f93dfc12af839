"""Announce an address to the network: gratuitous ARP and unsolicited neighbour advertisements.

The kernel does it by itself when `arp_notify` and `ndisc_notify` are set and the addresses are there before the link goes up.
This is for links whose carrier comes late, where the kernel's own announcement would be lost. Closing the packet socket takes
about 15 ms: keep it out of a path that a caller waits for.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable

from secnet.contract import InvalidConfig

from .errors import translated
from .netns import in_netns

__all__ = ["announce", "gratuitous_arp", "unsolicited_advertisement"]

ETH_ARP, ETH_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_ICMPV6 = 58
_OVERRIDE = 0x20000000


def gratuitous_arp(mac: str, address: ipaddress.IPv4Address) -> bytes:
    """The frame by which a host announces its IPv4 address: an ARP request for itself (RFC 5227 section 3)."""
    sender = _octets(mac)
    ethernet, ipv4, hardware_size, protocol_size, request = 1, 0x0800, 6, 4, 1
    header = struct.pack("!HHBBH", ethernet, ipv4, hardware_size, protocol_size, request)
    arp = header + sender + address.packed + bytes(6) + address.packed
    return _BROADCAST + sender + struct.pack("!H", ETH_ARP) + arp


def unsolicited_advertisement(mac: str, address: ipaddress.IPv6Address) -> bytes:
    """The frame by which a host announces its IPv6 address: an advertisement to all nodes (RFC 4861 section 7.2.6)."""
    sender = _octets(mac)
    target_link_layer = b"\x02\x01" + sender
    body = struct.pack("!I", _OVERRIDE) + address.packed + target_link_layer
    neighbour_advertisement = 136
    length = 4 + len(body)
    pseudo = address.packed + _ALL_NODES.packed + struct.pack("!II", length, _ICMPV6)
    checksum = _checksum(pseudo + struct.pack("!BBH", neighbour_advertisement, 0, 0) + body)
    message = struct.pack("!BBH", neighbour_advertisement, 0, checksum) + body
    hop_limit = 255  # receivers drop any other, as proof that no router was passed
    header = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, hop_limit) + address.packed + _ALL_NODES.packed
    return _ALL_NODES_MAC + sender + struct.pack("!H", ETH_IPV6) + header + message


def announce(
    fd: int,
    ifname: str,
    mac: str,
    addresses: Iterable[str],
    *,
    sleep: Callable[[float], None],
    times: int = 3,
    interval: float = 1.0,
) -> None:
    """Announce addresses (with or without prefix) on a link of a network namespace that is up.

    Each is sent `times` times; between the rounds `sleep(interval)` is called, in seconds: give it `Call.sleep`, which wakes
    for cancellation. Raises NotReady if the link is missing or down, Gone, MissingPrivilege.
    """
    packets = [_frame(mac, address) for address in addresses]
    if not packets:
        return
    with in_netns(fd, _packet_socket) as sock:
        for turn in range(times):
            if turn:
                sleep(interval)
            with translated(f"announcing addresses on {ifname}", subject=ifname):
                for ethertype, packet in packets:
                    sock.sendto(packet, (ifname, ethertype))


def _packet_socket() -> socket.socket:
    with translated("opening a packet socket"):
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)  # protocol 0: receives nothing


def _frame(mac: str, address: str) -> tuple[int, bytes]:
    try:
        parsed = ipaddress.ip_interface(address).ip
    except ValueError as exc:
        raise InvalidConfig(f"{address!r} is not an address", hint="give an IPv4 or IPv6 address") from exc
    if isinstance(parsed, ipaddress.IPv4Address):
        return ETH_ARP, gratuitous_arp(mac, parsed)
    return ETH_IPV6, unsolicited_advertisement(mac, parsed)


def _octets(mac: str) -> bytes:
    try:
        octets = bytes.fromhex(mac.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 6:
        raise InvalidConfig(f"{mac!r} is not a MAC address", hint="write it like 02:00:00:00:00:01")
    return octets


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071) of data of even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
