"""Reading what rtnetlink answers: messages, refusals, and the few attributes that are needed.

pyroute2 decodes every attribute of a message, most of which are not read here; that was half of an attach
(docs/decisions/0011). Layouts are those of linux/netlink.h. An answer that does not fit its own lengths is an error: half of it
would be taken for absence.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from typing import Any

from secnet.contract import SecnetError

from .errors import from_errno

__all__ = [
    "address",
    "attribute",
    "attributes",
    "each",
    "fields",
    "mac",
    "messages",
    "number",
    "pairs",
    "refusal",
    "text",
]

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_CODE = struct.Struct("=i")
_TYPE_MASK = 0x3FFF  # the two upper bits of an attribute's type say nested and byte order
_CAPPED = 0x100  # NLM_F_CAPPED: an error repeats only the header of the request
_HAS_TEXT = 0x200  # NLM_F_ACK_TLVS
_EXTACK_TEXT = 1  # NLMSGERR_ATTR_MSG
_FAMILIES = {4: socket.AF_INET, 16: socket.AF_INET6}


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence number and body of each message of a datagram. Raises Unavailable if it is cut off."""
    at, end = 0, len(data)
    while at < end:
        if end - at < _HEADER.size:
            raise _malformed("a message header is cut off")
        size, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size or size > end - at:
            raise _malformed(f"a message of {size} bytes does not fit the {end - at} there are")
        yield kind, flags, sequence, data[at + _HEADER.size : at + size]
        at += _aligned(size)


def refusal(flags: int, body: bytes, *, done: bool = False) -> tuple[int, str]:
    """The error number, 0 for success, and the kernel's own words or nothing.

    body: of NLMSG_ERROR, or with `done` of the NLMSG_DONE that ends a dump (which repeats no request).
    """
    if len(body) < _CODE.size:
        if done:  # allowed to be empty
            return 0, ""
        raise _malformed("an error message is cut off")
    code = -_CODE.unpack_from(body)[0]
    if not code or not flags & _HAS_TEXT:
        return code, ""
    at = _CODE.size
    if not done:
        if len(body) < at + _HEADER.size:
            raise _malformed("an error message is cut off")
        at += _HEADER.size if flags & _CAPPED else _aligned(_HEADER.unpack_from(body, at)[0])
    return code, text(attributes(body, at, (_EXTACK_TEXT,)).get(_EXTACK_TEXT, b""))


def fields(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    """What stands before the attributes of a message."""
    if len(body) < layout.size:
        raise _malformed(f"a message body of {len(body)} bytes is cut off")
    return layout.unpack_from(body)


def pairs(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each attribute, in order; `at` is where the first attribute starts."""
    end = len(body)
    unpack = _ATTRIBUTE.unpack_from
    while end - at >= _ATTRIBUTE.size:
        size, kind = unpack(body, at)
        if size < _ATTRIBUTE.size or size > end - at:
            raise _malformed(f"an attribute of {size} bytes does not fit the {end - at} there are")
        yield kind & _TYPE_MASK, body[at + _ATTRIBUTE.size : at + size]
        at += _aligned(size)


def attributes(body: bytes, at: int, wanted: Collection[int]) -> dict[int, bytes]:
    """The payloads of the wanted attributes by type; `at` is where the first attribute starts."""
    return {kind: payload for kind, payload in pairs(body, at) if kind in wanted}


def each(body: bytes, wanted: int) -> Iterator[bytes]:
    """The payloads of all attributes of one type, in order: what the kernel sends as a list."""
    return (payload for kind, payload in pairs(body, 0) if kind == wanted)


def attribute(kind: int, payload: bytes) -> bytes:
    """An attribute for the wire, padded."""
    return (_ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload).ljust(
        _aligned(_ATTRIBUTE.size + len(payload)), b"\0"
    )


def number(payload: bytes | None) -> int:
    """An unsigned number in host byte order; 0 if the attribute is missing."""
    return int.from_bytes(payload, sys.byteorder) if payload else 0


def text(payload: bytes | None) -> str:
    """A text, with or without final zero; empty if the attribute is missing. Interface names may hold any byte."""
    return payload.rstrip(b"\0").decode(errors="backslashreplace") if payload else ""


def mac(payload: bytes | None) -> str:
    """A hardware address, lower case with colons; empty if the attribute is missing."""
    return payload.hex(":") if payload else ""


def address(payload: bytes | None) -> str | None:
    """An IPv4 or IPv6 address; None if the attribute is missing."""
    if payload is None:
        return None
    family = _FAMILIES.get(len(payload))
    if family is None:
        raise _malformed(f"an address has {len(payload)} bytes")
    return socket.inet_ntop(family, payload)


def _aligned(size: int) -> int:
    return size + 3 & ~3


def _malformed(what: str) -> SecnetError:
    return from_errno(errno.EBADMSG, "reading the kernel's answer", detail=what)
