"""One rtnetlink socket for one operation, with errors translated at the edge.

pyroute2's message classes encode the requests. Its IPRoute is not used: each one brings an event loop, and it decodes all of
every answer, which together cost more than the kernel's work (docs/decisions/0011).
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from secnet.contract import Busy

from .errors import from_errno, translated
from .netns import SO_NETNS_COOKIE
from .replies import messages, refusal

__all__ = ["ANSWER_SECONDS", "Attributes", "Connection", "NetlinkError", "given", "open_socket"]

SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12

ANSWER_SECONDS = 10
"""How long an answer may take. The kernel works while the request is sent, so only a lost answer takes long."""

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_REQUEST_ACK = 0x1 | 0x4
_ECHO = 0x8
_DUMP = 0x1 | 0x300
_DUMP_INTERRUPTED = 0x10
_EXCLUSIVE, _REPLACE, _CREATE, _APPEND = 0x200, 0x100, 0x400, 0x800

_VERBS = {
    "add": (0, _REQUEST_ACK | _CREATE | _EXCLUSIVE),
    "append": (0, _REQUEST_ACK | _CREATE | _APPEND),
    "replace": (0, _REQUEST_ACK | _CREATE | _REPLACE),
    "set": (0, _REQUEST_ACK),
    "del": (1, _REQUEST_ACK),
    "get": (2, _REQUEST_ACK),
    "dump": (2, _DUMP),
}
"""What to add to the type RTM_NEW... of a thing, and the flags."""

_BUFFER = 32768  # the kernel puts no more into one datagram of a dump
_KERNEL = 0  # the port of who answers
_DUMP_TRIES = 5
_LAST_SEQUENCE = 0xFFFFFFFF
_SEQUENCE, _SEQUENCE_AT = struct.Struct("=I"), 8  # where a message header has it
_LENGTH = struct.Struct("=I")  # a message begins with it
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
_QUESTIONS = ("get", "dump")
_UNENCODABLE = (struct.error, ValueError, TypeError, AttributeError, LookupError, OSError)
"""What pyroute2 raises for values that are out of range, of another type or ill-formed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    """A kind of object: the class that encodes its messages, and the type of the message that describes one."""

    message: Any
    new: int


_THINGS = {
    "link": _Thing(message=ifinfmsg, new=16),
    "linkprop": _Thing(message=ifinfmsg, new=108),  # properties that a link has several of
    "addr": _Thing(message=ifaddrmsg, new=20),
    "route": _Thing(message=rtmsg, new=24),
    "rule": _Thing(message=fibmsg, new=32),
}

Attributes = Iterable[tuple[str, Any]]
Header = Mapping[str, int]
NO_FIELDS: Header = MappingProxyType({})


class NetlinkError(Exception):
    """A refusal by the kernel, before it is translated: internal to this package. detail: the kernel's words, if any."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class _Interrupted(Exception):
    """What was being listed changed meanwhile."""


def open_socket() -> socket.socket:
    """A rtnetlink socket in the calling thread's namespace, with the kernel's error texts switched on."""
    with translated("opening a netlink socket"):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    with suppress(OSError):  # from Linux 4.20 on the kernel filters dumps; what it does not filter, the caller does
        sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    # Not settimeout: with it every read would be two system calls.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", ANSWER_SECONDS, 0))
    return sock


class Connection:
    """Sends requests; the mix-ins for links, addresses and routes build on it. Belongs to the thread that made it."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes the socket over: `close` closes it."""
        self._sock = sock
        self._sequence = 0

    def close(self) -> None:
        """Close the socket: an open one keeps the namespace alive."""
        self._sock.close()

    def netns_cookie(self) -> int:
        """The cookie of the namespace that the socket is in (see `secnet.linux.netns.cookie`)."""
        with translated("asking for the cookie of a network namespace"):
            return int.from_bytes(self._sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)

    def _try(
        self,
        thing: str,
        verb: str,
        *,
        attrs: Attributes = (),
        header: Header = NO_FIELDS,
        echo: bool = False,
        tail: bytes = b"",
        body: bytes | None = None,
        size: int = _BUFFER,
    ) -> tuple[bytes, ...]:
        """One request: `thing` is link, linkprop, addr, route or rule; attrs and header as pyroute2 names them.

        tail: attributes that pyroute2 cannot encode, ready for the wire. body: all that follows the message's header, ready
        for the wire, instead of attrs and header. size: bytes that one answer may have.

        Returns the bodies of the messages that describe such things: for get and dump, and with `echo` (a create answered by
        the finished object, which saves reading it back). Raises Fault.
        """
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        if body is None:
            request = _request(thing, verb, _ECHO if echo else 0, attrs, header)
        else:
            request = _with_body(thing, verb, body)
        if tail:
            request += tail
            _LENGTH.pack_into(request, 0, len(request))
        _SEQUENCE.pack_into(request, _SEQUENCE_AT, self._sequence)
        try:
            self._sock.send(request)
            return self._answer(_THINGS[thing].new, size)
        except BlockingIOError as exc:
            raise NetlinkError(errno.ETIMEDOUT, f"no answer within {ANSWER_SECONDS} seconds") from exc
        except OSError as exc:
            raise NetlinkError(exc.errno or 0, "") from exc

    def _answer(self, new: int, size: int) -> tuple[bytes, ...]:
        found: list[bytes] = []
        interrupted = 0
        while True:
            data, sender = self._sock.recvfrom(size)
            if sender[0] != _KERNEL:
                continue  # any process may send to a netlink socket
            for kind, flags, sequence, body in messages(data):
                if sequence != self._sequence:
                    continue  # a late answer to a request given up
                interrupted |= flags & _DUMP_INTERRUPTED
                if kind == new:
                    found.append(body)
                elif kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    code, detail = refusal(flags, body, done=kind == _NLMSG_DONE)
                    if code:
                        raise NetlinkError(code, detail)
                    if interrupted:
                        raise _Interrupted
                    return tuple(found)

    def _do(
        self,
        thing: str,
        verb: str,
        doing: str,
        subject: str = "",
        hint: str = "",
        *,
        attrs: Attributes = (),
        header: Header = NO_FIELDS,
        tail: bytes = b"",
    ) -> None:
        """One request whose refusal is an error in any case. Raises the contract's errors."""
        try:
            self._try(thing, verb, attrs=attrs, header=header, tail=tail)
        except NetlinkError as fault:
            raise self._error(fault, doing, subject, hint) from fault

    def _dump(self, thing: str, doing: str, attrs: Attributes = (), header: Header = NO_FIELDS) -> tuple[bytes, ...]:
        """All objects of a kind; repeated when they changed meanwhile, as half an answer would be taken for absence.

        What belongs to a link that is gone is nothing.
        """
        for _ in range(_DUMP_TRIES):
            try:
                return self._try(thing, "dump", attrs=attrs, header=header)
            except _Interrupted as exc:
                interrupted = exc
            except NetlinkError as fault:
                if fault.code == errno.ENODEV:
                    return ()
                raise self._error(fault, doing) from fault
        raise Busy(f"{doing}: the list kept changing", hint="it is tried again") from interrupted

    @staticmethod
    def _error(fault: NetlinkError, doing: str, subject: str = "", hint: str = "") -> Exception:
        return from_errno(fault.code, doing, detail=fault.detail, subject=subject, hint=hint)


def given(**attrs: Any) -> list[tuple[str, Any]]:
    """The attributes that have a value."""
    return [(name, value) for name, value in attrs.items() if value is not None]


def _request(thing: str, verb: str, more_flags: int, attrs: Attributes, header: Header) -> bytearray:
    """The message without its sequence number."""
    if verb in _QUESTIONS:
        return bytearray(_question(thing, verb, tuple(attrs), tuple(header.items())))
    return _encoded(thing, verb, more_flags, attrs, header)


def _with_body(thing: str, verb: str, body: bytes) -> bytearray:
    offset, flags = _VERBS[verb]
    return bytearray(_HEADER.pack(_HEADER.size + len(body), _THINGS[thing].new + offset, flags, 0, _KERNEL) + body)


@lru_cache(maxsize=512)
def _question(thing: str, verb: str, attrs: tuple[tuple[str, Any], ...], header: tuple[tuple[str, int], ...]) -> bytes:
    """Most requests of an attach ask the same as others did, and encoding was the most expensive part of asking."""
    return bytes(_encoded(thing, verb, 0, attrs, dict(header)))


def _encoded(thing: str, verb: str, more_flags: int, attrs: Attributes, header: Header) -> bytearray:
    what = _THINGS[thing]
    offset, flags = _VERBS[verb]
    message = what.message()
    message["header"].update(type=what.new + offset, flags=flags | more_flags, sequence_number=0, pid=_KERNEL)
    message.update(header)
    message["attrs"] = list(attrs)
    try:
        message.encode()
    except _UNENCODABLE as exc:
        raise NetlinkError(errno.EINVAL, f"a value fits no message: {exc}") from exc
    data: bytearray = message.data
    return data
