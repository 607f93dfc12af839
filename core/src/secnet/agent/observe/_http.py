"""The HTTP server for metrics and health: GET only, few connections at once, and none for long.

Anybody in the cluster may reach it, and the kubelet kills an agent whose health it cannot ask for. So nobody can take its places:
the oldest connection that has not asked yet gives way to a new one, and the machine's own connections have places of their own.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from secnet.contract import InvalidConfig, NotReady

__all__ = ["HttpServer", "Response", "parse_listen"]

_log = logging.getLogger(__name__)

_OWN_PLACES = 8  # for this machine's connections, as the kubelet's are
_PLACES = 8  # for all others
_PEER_PLACES = 4  # for those of one address
_CONNECTION_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """status: of HTTP. body: the whole answer."""

    body: bytes
    status: int = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Response]


class HttpServer:
    """Serves from its start until `close`, which leaves no thread and no socket.

    listen: ADDRESS:PORT, an IPv6 address in brackets or not; port 0 takes a free one, which `port` tells. `[::]` is every
    address, also of IPv4, and without IPv6 in the kernel those of IPv4.
    seconds: how long one connection may last, from its first to its last byte. Raises NotReady if it cannot listen.
    """

    def __init__(self, listen: str, routes: Mapping[str, Route], *, seconds: float = _CONNECTION_SECONDS) -> None:
        host, port = parse_listen(listen)
        try:
            self._server = _listening(host, port, routes, seconds)
        except OSError as exc:
            raise NotReady(
                f"cannot listen at {listen}: {exc.strerror or exc}",
                hint="correct http.listen of the node configuration, or end what listens there",
                subject="node configuration",
                path="$.http.listen",
            ) from exc
        self.host, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut what is still connected. May be called twice."""
        self._server.shutdown()
        self._thread.join(_CLOSE_SECONDS)
        self._server.server_close()


def parse_listen(text: str) -> tuple[str, int]:
    """Address and port. Raises InvalidConfig for what is neither."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
        if not 0 <= number <= 65535:
            raise ValueError("a port is at most 65535")
    except ValueError as exc:
        raise InvalidConfig(
            f"{text!r} is not ADDRESS:PORT: {exc}",
            hint="write an address of this node and a port, such as 127.0.0.1:9465 or [::1]:9465",
            subject="node configuration",
            path="$.http.listen",
        ) from exc
    return host, number


@dataclass(slots=True, eq=False)
class _Client:
    """One connection. peer: its address; empty for this machine's. asked: its request was read. cut: it is on its way out."""

    request: socket.socket
    peer: str
    end: float
    thread: threading.Thread
    asked: bool = False
    cut: bool = False

    @property
    def unread(self) -> bool:
        """Whether something that it sent waits to be read: a request that is there is not silence."""
        poll = select.poll()
        poll.register(self.request, select.POLLIN)
        return bool(poll.poll(0))

    def shut(self) -> None:
        """End it; its thread ends by that."""
        self.cut = True
        with contextlib.suppress(OSError):  # the client was quicker
            self.request.shutdown(socket.SHUT_RDWR)


class _Server(HTTPServer):
    """One thread a connection. Those that last too long are cut: a timeout of the socket alone never ends a slow drip."""

    request_queue_size = 16
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route], seconds: float) -> None:
        self.routes = routes
        self._seconds = seconds
        self._lock = threading.Lock()
        self._open: dict[socket.socket, _Client] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name in the DNS that HTTPServer makes."""
        socket_bind = super(HTTPServer, self).server_bind
        socket_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread; hang up if all that would have to give way are being answered."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), name="http-client", daemon=True)
        peer = "" if _is_own(client_address) else str(client_address[0])
        with self._lock:
            taken = self._has_place(peer)
            if taken:
                self._open[request] = _Client(request, peer, time.monotonic() + self._seconds, thread)
        if not taken:
            self.shutdown_request(request)
            return
        thread.start()

    def asked(self, request: socket.socket) -> None:
        """Its request was read: it is answered, whoever comes."""
        with self._lock:
            self._open[request].asked = True

    def _has_place(self, peer: str) -> bool:
        """Make room where it is needed: the oldest goes that has not asked."""
        open_now = [client for client in self._open.values() if not client.cut and bool(client.peer) == bool(peer)]
        of_peer = [client for client in open_now if client.peer == peer]
        if peer and len(of_peer) >= _PEER_PLACES:
            open_now = of_peer
        elif len(open_now) < (_PLACES if peer else _OWN_PLACES):
            return True
        idle = sorted((client for client in open_now if not client.asked), key=lambda client: client.end)
        goes = next((client for client in idle if not client.unread), next(iter(idle), None))
        if goes is not None:
            goes.shut()
        return goes is not None

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError as exc:
            _log.debug("a client of the HTTP server went away: %s", exc)
        except Exception:
            _log.exception("an HTTP request failed by a fault of the agent itself")
        finally:
            with self._lock:
                del self._open[request]
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Cut connections that are overdue; called a few times a second."""
        self._cut(time.monotonic())

    def server_close(self) -> None:
        """Stop listening, cut every connection and wait for its thread."""
        super().server_close()
        for thread in self._cut(float("inf")):
            thread.join(_CLOSE_SECONDS)

    def _cut(self, now: float) -> list[threading.Thread]:
        with self._lock:
            overdue = [client for client in self._open.values() if client.end <= now]
            for client in overdue:
                client.shut()
        return [client.thread for client in overdue]


class _Server6(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Bind; `::` is every address of the node, whatever its setting net.ipv6.bindv6only says."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _is_own(address: tuple[Any, ...]) -> bool:
    """Whether a connection comes from this machine: the kernel would send from the same address to there."""
    host, rest = address[0].removeprefix("::ffff:"), address[2:]
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return True
    family, rest = (socket.AF_INET6, rest) if ":" in host else (socket.AF_INET, ())
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9, *rest))  # sends nothing
        except OSError:
            return False
        return bool(probe.getsockname()[0] == host)


def _listening(host: str, port: int, routes: Mapping[str, Route], seconds: float) -> _Server:
    if ":" not in host:
        return _Server((host, port), routes, seconds)
    try:
        return _Server6((host, port), routes, seconds)
    except OSError as exc:
        # A kernel without IPv6 has only addresses of IPv4.
        if exc.errno != errno.EAFNOSUPPORT or not ipaddress.ip_address(host).is_unspecified:
            raise
        return _Server(("0.0.0.0", port), routes, seconds)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: one request a connection."""

    server: _Server
    server_version = "secnet"
    sys_version = ""
    timeout = _CONNECTION_SECONDS

    def do_GET(self) -> None:
        """Answer by the route of the path."""
        self.server.asked(self.connection)
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            known = ", ".join(sorted(self.server.routes))
            self._answer(Response(status=HTTPStatus.NOT_FOUND, body=f"there is {known}\n".encode()))
            return
        try:
            response = route()
        except Exception:
            _log.exception("%s failed by a fault of the agent itself", self.path)
            response = Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, body=b"see the agent's log\n")
        self._answer(response)

    def _answer(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests come every few seconds and are no news."""
        _log.debug(format, *args)
