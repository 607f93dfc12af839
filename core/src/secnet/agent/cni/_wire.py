"""How the plugin and the agent talk over the socket. The other side is deploy/cni/agent.c.

Numbers are unsigned and big-endian.

- request: `SCN1`, u32 length of environment, u32 length of stdin, environment, stdin. The environment is each variable CNI_*,
  as NAME=VALUE and a zero byte: as the kernel has it, so that the plugin need not quote anything.
- answer: any number of bytes `.` (still at work), then `A`, u32 exit status, u32 length of stdout, stdout.

The plugin keeps its side open until it has the answer: end of file means that the runtime gave up.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from secnet.contract import InvalidConfig, Timeout, Unavailable

__all__ = ["KEEPALIVE", "RawCall", "answer_bytes", "read_call"]

KEEPALIVE = b"."
"""Sent now and then while a call is worked on: the plugin gives up after 10 seconds without."""

_MAGIC = b"SCN1"
_HEAD = struct.Struct("!4sII")
_ANSWER = struct.Struct("!cII")
_MAX_ENVIRONMENT = 64 * 1024
_MAX_STDIN = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCall:
    """A call as the runtime made it: the variables CNI_*, and the configuration."""

    environment: tuple[bytes, ...]
    stdin: bytes


def read_call(connection: socket.socket, timeout: float) -> RawCall:
    """The request of a new connection. Raises Timeout, Unavailable when it ends early, InvalidConfig for another language."""
    deadline = time.monotonic() + timeout
    magic, environment, stdin = _HEAD.unpack(_read(connection, _HEAD.size, deadline))
    if magic != _MAGIC or environment > _MAX_ENVIRONMENT or stdin > _MAX_STDIN:
        raise InvalidConfig(
            "the caller does not speak as the plugin secnet-cni of this version does",
            hint="install the plugin that belongs to this agent",
        )
    variables = _read(connection, environment, deadline)
    return RawCall(environment=tuple(variables.split(b"\0")[:-1]), stdin=_read(connection, stdin, deadline))


def answer_bytes(status: int, stdout: str) -> bytes:
    """The answer as the plugin reads it."""
    body = stdout.encode()
    return _ANSWER.pack(b"A", status, len(body)) + body


def _read(connection: socket.socket, size: int, deadline: float) -> bytes:
    found = bytearray()
    while len(found) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout("the caller did not finish its request")
        connection.settimeout(left)
        try:
            piece = connection.recv(min(size - len(found), 65536))
        except TimeoutError as exc:
            raise Timeout("the caller did not finish its request") from exc
        except OSError as exc:
            raise Unavailable(f"the caller cannot be read: {exc.strerror}") from exc
        if not piece:
            raise Unavailable("the caller went away within its request")
        found += piece
    return bytes(found)
