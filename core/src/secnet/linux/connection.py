"""One rtnetlink socket for one operation, with errors translated at the edge.

pyroute2 is given a socket made here: its own way into a namespace forks the process, a long-lived object gathers unread
acknowledgements, and its default socket subscribes to events nobody reads.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from secnet.contract import Busy

from .errors import from_errno, translated

__all__ = ["Connection", "Fault", "open_socket"]

SOL_NETLINK = 270
NETLINK_EXT_ACK = 11

_DUMP_TRIES = 5


class Fault(Exception):
    """A refusal by the kernel, before it is translated: internal to this package."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def open_socket() -> socket.socket:
    """A rtnetlink socket in the calling thread's namespace, with the kernel's error texts switched on."""
    with translated("opening a netlink socket"):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)  # pyroute2 sets no option on a socket that it is given
    return sock


class Connection:
    """Sends requests; the mix-ins for links, addresses and routes build on it. Belongs to the thread that made it."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes the socket over: `close` closes it."""
        # The echo answers a create with the finished link, which saves reading it back.
        self._nl = IPRoute(use_socket=sock, nlm_echo=True)

    def close(self) -> None:
        """Close the socket: an open one keeps the namespace alive."""
        self._nl.close()

    def _try(self, thing: str, verb: str, **fields: Any) -> tuple[Any, ...]:
        """One request: `thing` is link, addr or route. Raises Fault."""
        try:
            return tuple(getattr(self._nl, thing)(verb, **fields))
        except NetlinkDumpInterrupted:
            raise
        except NetlinkError as exc:
            raise Fault(exc.code, str(exc.args[1])) from exc

    def _do(
        self, thing: str, verb: str, doing: str, subject: str = "", hint: str = "", **fields: Any
    ) -> tuple[Any, ...]:
        """One request whose refusal is an error in any case. Raises the contract's errors."""
        try:
            return self._try(thing, verb, **fields)
        except Fault as fault:
            raise self._error(fault, doing, subject, hint) from fault.__cause__

    def _dump(self, thing: str, doing: str, **fields: Any) -> tuple[Any, ...]:
        """All objects of a kind; repeated when they changed meanwhile, as half an answer would be taken for absence."""
        for _ in range(_DUMP_TRIES):
            try:
                return self._do(thing, "dump", doing, **fields)
            except NetlinkDumpInterrupted as exc:
                interrupted = exc
        raise Busy(f"{doing}: the list kept changing", hint="it is tried again") from interrupted

    @staticmethod
    def _error(fault: Fault, doing: str, subject: str = "", hint: str = "") -> Exception:
        detail = "" if fault.detail == errno.errorcode.get(fault.code) else fault.detail
        return from_errno(fault.code, doing, detail=detail, subject=subject, hint=hint)
