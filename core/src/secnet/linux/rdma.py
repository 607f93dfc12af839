"""RDMA devices and network namespaces: whether they belong to one (the subsystem's exclusive mode), and moving them.

A few messages of NETLINK_RDMA (linux/rdma/rdma_netlink.h), packed here: no library has them. In the shared mode, which is the
default, every namespace sees all RDMA devices and there is nothing to move.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Mapping

from secnet.contract import NotReady

from .errors import from_errno, translated
from .replies import attributes, messages, number, refusal, text

__all__ = ["RdmaConnection", "open_rdma_socket"]

_NETLINK_RDMA = 20
_CLIENT = 5 << 10  # RDMA_NL_NLDEV
_GET, _SET, _SYS_GET = 1, 2, 6
_INDEX, _NAME, _NETNS_MODE, _NETNS_FD = 1, 2, 66, 68
_EXCLUSIVE = 0
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_MESSAGE = struct.Struct("=IHHII")
_U32 = struct.Struct("=HHI")
_BUFFER = 65536
_ANSWER_SECONDS = 10


def open_rdma_socket() -> socket.socket:
    """A socket in the calling thread's namespace. Raises Unsupported where the kernel has no RDMA subsystem."""
    with translated("opening an RDMA netlink socket"):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_RDMA)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _ANSWER_SECONDS, 0))
    return sock


class RdmaConnection:
    """Requests over one socket, for the namespace it was opened in. Belongs to the thread that made it."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes the socket over: `close` closes it."""
        self._sock = sock
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def exclusive(self) -> bool:
        """Whether each RDMA device belongs to one namespace."""
        bodies = self._ask(_SYS_GET, _REQUEST | _ACK, b"", "reading the mode of the RDMA subsystem")
        found = attributes(b"".join(bodies), 0, (_NETNS_MODE,))
        return _NETNS_MODE in found and number(found[_NETNS_MODE]) == _EXCLUSIVE

    def devices(self) -> Mapping[str, int]:
        """The devices of this namespace by name, with the index that the kernel knows them by."""
        bodies = self._ask(_GET, _REQUEST | _DUMP, b"", "listing the RDMA devices")
        found = [attributes(body, 0, (_INDEX, _NAME)) for body in bodies]
        return {text(item.get(_NAME)): number(item.get(_INDEX)) for item in found}

    def move(self, name: str, netns_fd: int) -> None:
        """Move a device to another namespace; programs that have it open lose it. Raises NotReady if it is not here."""
        index = self.devices().get(name)
        if index is None:
            raise NotReady(f"there is no RDMA device {name} here", hint="it is tried again", subject=name)
        payload = _U32.pack(_U32.size, _INDEX, index) + _U32.pack(_U32.size, _NETNS_FD, netns_fd)
        self._ask(_SET, _REQUEST | _ACK, payload, f"moving the RDMA device {name} to another namespace")

    def _ask(self, operation: int, flags: int, payload: bytes, doing: str) -> list[bytes]:
        self._sequence += 1
        header = _MESSAGE.pack(_MESSAGE.size + len(payload), _CLIENT + operation, flags, self._sequence, 0)
        found: list[bytes] = []
        with translated(doing):
            self._sock.send(header + payload)
            while True:
                for kind, marks, sequence, body in messages(self._sock.recv(_BUFFER)):
                    if sequence != self._sequence:
                        continue
                    if kind == _CLIENT + operation:
                        found.append(body)
                        if flags & _DUMP != _DUMP and operation != _SET:
                            return found  # such a question is answered once, and no acknowledgement follows
                    elif kind in (_ERROR, _DONE):
                        code, detail = refusal(marks, body, done=kind == _DONE)
                        if code:
                            raise from_errno(code, doing, detail=detail)
                        return found
        raise from_errno(errno.EBADMSG, doing)
