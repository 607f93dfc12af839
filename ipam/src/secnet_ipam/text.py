"""Addresses and prefixes as text on one side, `(family, integer)` on the other.

Inside this package an address is an integer next to its family, 4 or 6: pools hold millions of addresses and are compared
by their spelling nowhere. `inet_pton` reads every correct spelling of IPv6, and nothing else: no zones, no leading zeros.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

__all__ = ["BITS", "format_address", "read_address", "read_prefix"]

BITS = {4: 32, 6: 128}


def read_address(text: Any) -> tuple[int, int]:
    """Family and integer of an address without prefix. Raises ValueError that quotes the text."""
    if isinstance(text, str):
        family = 6 if ":" in text else 4
        try:
            packed = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, text)
        except (OSError, ValueError):
            pass
        else:
            return family, int.from_bytes(packed, "big")
    raise ValueError(f"{text!r} is not an IP address")


def read_prefix(text: Any) -> tuple[int, int, int]:
    """Family, integer (host bits kept) and length of `ADDRESS/LENGTH`. Raises ValueError that quotes the text."""
    address, slash, length = text.partition("/") if isinstance(text, str) else ("", "", "")
    # isdigit alone would let other scripts' digits through, which int() reads.
    if slash and length.isascii() and length.isdigit() and len(length) <= 3:
        try:
            family, value = read_address(address)
        except ValueError as exc:
            raise ValueError(f"{text!r} is not an address with a prefix length") from exc
        if int(length) <= BITS[family]:
            return family, value, int(length)
    raise ValueError(f"{text!r} is not an address with a prefix length")


def format_address(family: int, value: int) -> str:
    """The canonical spelling (RFC 5952 for IPv6)."""
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))
