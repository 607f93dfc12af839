"""Short requests to the OVSDB server on a connection of their own (RFC 7047), each with a deadline.

The library's connection notices a hung server late or never, and blocks without limit while it reads the schema. What must not
hang goes this way.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from secnet.contract import InvalidConfig, Unavailable

from .errors import from_oserror

__all__ = ["ask_control", "check_target", "echo", "read_schema", "select_rows", "socket_path"]

_CHUNK = 1 << 16
_PAUSE = 0.2  # seconds between two looks whether the work was withdrawn


def check_target(target: str) -> None:
    """Raise InvalidConfig unless the target is `unix:PATH` or `tcp:HOST:PORT`."""
    _address(target)


def _address(target: str) -> tuple[int, Any]:
    kind, _, rest = target.partition(":")
    if kind == "unix" and rest:
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdigit():
        bare = host.strip("[]")
        return (socket.AF_INET6 if ":" in bare else socket.AF_INET), (bare, int(port))
    raise InvalidConfig(
        f"{target!r} is no OVSDB target this agent can use",
        hint="write unix:PATH or tcp:ADDRESS:PORT",
        subject="node configuration",
        path="$.ovsdb",
    )


def echo(target: str, timeout: float, checkpoint: Callable[[], object] = lambda: None) -> None:
    """Prove that the server answers now. Raises Unavailable, or MissingPrivilege if the socket refuses us.

    checkpoint: called again and again while it waits; what it raises ends the waiting.
    """
    _request(target, "echo", [], timeout, checkpoint)


def read_schema(target: str, timeout: float, checkpoint: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """The schema of the database Open_vSwitch. Raises as `echo` does, and waits like it."""
    schema: dict[str, Any] = _request(target, "get_schema", ["Open_vSwitch"], timeout, checkpoint)
    return schema


def select_rows(target: str, table: str, columns: Sequence[str], timeout: float) -> list[dict[str, Any]]:
    """Some columns of all rows of a table; sets as lists, maps as dicts. Raises as `echo` does."""
    operation = {"op": "select", "table": table, "where": [], "columns": list(columns)}
    answer = _request(target, "transact", ["Open_vSwitch", operation], timeout)
    if not answer or "rows" not in answer[0]:
        raise Unavailable(
            f"the OVSDB server refuses to read {table}: {answer}",
            hint="check that the target is the database of Open vSwitch",
            subject=target,
        )
    return [{name: _plain(value) for name, value in row.items()} for row in answer[0]["rows"]]


def _plain(value: Any) -> Any:
    """A column's value out of the notation of RFC 7047."""
    if not isinstance(value, list):
        return value
    kind, content = value
    return dict(content) if kind == "map" else [_plain(item) for item in content] if kind == "set" else content


def socket_path(target: str) -> Path | None:
    """The server's socket on this machine; None for a TCP target."""
    family, address = _address(target)
    return Path(address) if family == socket.AF_UNIX else None


def ask_control(path: Path, method: str, *params: str, timeout: float) -> str:
    """What a daemon of Open vSwitch answers on its control socket, as to `ovs-appctl`. Raises as `echo` does."""
    return str(_request(f"unix:{path}", method, list(params), timeout, server="it"))


def _request(
    target: str,
    method: str,
    params: list[Any],
    timeout: float,
    checkpoint: Callable[[], object] = lambda: None,
    *,
    server: str = "the OVSDB server",
) -> Any:
    family, address = _address(target)
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            _connect(sock, address, deadline, checkpoint)
            sock.settimeout(timeout)
            sock.sendall(json.dumps({"method": method, "params": params, "id": 0}).encode())
            reply = _read(sock, deadline, checkpoint)
    except TimeoutError as exc:
        raise Unavailable(
            f"{server} does not answer within {timeout:.1f} s",
            hint="it is tried again; look whether it hangs or the host is overloaded",
            subject=target,
        ) from exc
    except OSError as exc:
        raise from_oserror(exc, target, server) from exc
    if reply.get("error"):
        raise Unavailable(
            f"{server} refuses {method}: {reply['error']}",
            hint="check that this is the socket of Open vSwitch",
            subject=target,
        )
    return reply.get("result")


def _connect(sock: socket.socket, address: Any, deadline: float, checkpoint: Callable[[], object]) -> None:
    """Connect in slices: a server with a full backlog leaves a TCP connect without any answer."""
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        while True:
            checkpoint()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if poll.poll(min(left, _PAUSE) * 1000):
                break
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _read(sock: socket.socket, deadline: float, checkpoint: Callable[[], object]) -> dict[str, Any]:
    """The first complete JSON object."""
    text = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        checkpoint()
        sock.settimeout(min(left, _PAUSE))
        try:
            part = sock.recv(_CHUNK)
        except TimeoutError:
            continue
        if not part:
            raise ConnectionResetError("the connection was closed before the answer")
        text += part
        if text.endswith(b"}"):
            try:
                answer: dict[str, Any] = json.loads(text)
            except ValueError:  # the rest has not come yet
                continue
            return answer
