"""The HTTP server for metrics and health: waitress, with limits on connections that it does not have itself.

Any client in the cluster may connect, and the kubelet kills an agent that does not answer its probes. waitress reads and writes
all connections in one thread, so a slow client holds no worker; but it stops to accept at a number of connections, and a client
that sends a byte now and then keeps its connection for ever. So here each connection has a last moment, the oldest one without
a request gives way to a new one, and connections of this machine are counted apart from all others.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from secnet.contract import InvalidConfig, NotReady

__all__ = ["HttpServer", "parse_listen"]

_OWN_PLACES = (
    64  # for this machine's connections, as the kubelet's are: more than can come before one of them has asked
)
_PLACES = 8  # for all others
_PEER_PLACES = 4  # for those of one address
_CONNECTION_SECONDS = 10.0
_BACKLOG = 64
_THREADS = 4
_REQUEST_BYTES = 16384
_CLOSE_SECONDS = 5.0


class HttpServer:
    """Serves `app` from its start until `close`, which leaves no thread and no socket.

    listen: ADDRESS:PORT, an IPv6 address in brackets or not; port 0 takes a free one, see `port`. `[::]` is every
    address, also of IPv4, and without IPv6 in the kernel those of IPv4.
    seconds: how long one connection may last, whatever it does. Raises NotReady if it cannot listen.
    """

    def __init__(self, listen: str, app: WSGIApplication, *, seconds: float = _CONNECTION_SECONDS) -> None:
        host, port = parse_listen(listen)
        try:
            sock = _bound(host, port)
        except OSError as exc:
            raise NotReady(
                f"cannot listen at {listen}: {exc.strerror or exc}",
                hint="correct http.listen of the node configuration, or end what listens there",
                subject="node configuration",
                path="$.http.listen",
            ) from exc
        self._server = _Server(app, sock, seconds)
        self.host, self.port = self._server.effective_host, int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut what is still connected. May be called twice."""
        if not self._thread.is_alive():
            return
        # First the workers: one that finishes later would wake a loop that is closed.
        self._server.task_dispatcher.shutdown(timeout=_CLOSE_SECONDS)
        self._server.ending = True
        self._server.trigger.pull_trigger()
        self._thread.join(_CLOSE_SECONDS)
        # Not in its thread: woken by a worker, it would close the trigger before it is pulled here.
        if not self._thread.is_alive():
            self._server.close_all()


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


class _Workers(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Those of waitress, with threads that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[threading.Thread] = []
        self.set_thread_count(_THREADS)

    def start_new_thread(self, target: Callable[[int], Any], thread_no: int) -> None:
        """See the base class."""
        thread = threading.Thread(target=target, args=(thread_no,), name=f"http-worker-{thread_no}", daemon=True)
        self._started.append(thread)
        thread.start()

    def shutdown(self, cancel_pending: bool = True, timeout: float = _CLOSE_SECONDS) -> bool:
        """See the base class, which does not wait for the end of a thread."""
        done: bool = super().shutdown(cancel_pending, timeout)
        for thread in self._started:
            thread.join(timeout)
        return done


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection. peer: its address; empty for this machine's. end: when it is cut, on the monotonic clock."""

    def __init__(self, server: _Server, sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map)
        self.peer = _peer(addr)
        self.end = time.monotonic() + server.seconds

    @property
    def asked(self) -> bool:
        """Whether a request of it is being answered."""
        return bool(self.requests or self.total_outbufs_len)

    @property
    def unread(self) -> bool:
        """Whether something that it sent waits to be read."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """All its methods run in the thread of `run`, but for the constructor and `close_all`."""

    channel_class = _Channel

    def __init__(self, app: WSGIApplication, sock: socket.socket, seconds: float) -> None:
        self.seconds = seconds
        self.ending = False
        # What waits for a worker is bounded by the places, and is no reason for a warning.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        adjustments = Adjustments(
            listen="127.0.0.1:0",  # not used, as the socket is given
            threads=_THREADS,
            backlog=_BACKLOG,
            ident="secnet",
            max_request_header_size=_REQUEST_BYTES,
            max_request_body_size=_REQUEST_BYTES,
            cleanup_interval=0,  # check every connection each time the loop comes round, at least once a second
            log_socket_errors=False,
            asyncore_use_poll=True,
        )
        sockinfo = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            app, {}, _sock=sock, dispatcher=_Workers(), adj=adjustments, sockinfo=sockinfo, bind_socket=False
        )

    def accept(self) -> tuple[socket.socket, Any] | None:
        """A new connection; None if all that would have to give way to it are being answered."""
        accepted: tuple[socket.socket, Any] | None = super().accept()
        if accepted is None or self._has_place(_peer(accepted[1])):
            return accepted
        accepted[0].close()
        return None

    def maintenance(self, now: float) -> None:
        """Cut the connections that are overdue."""
        overdue = time.monotonic()
        for channel in [channel for channel in self.active_channels.values() if channel.end <= overdue]:
            channel.will_close = True

    def run(self) -> None:
        """Serve until `ending` is set."""
        while not self.ending:
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)

    def close_all(self) -> None:
        """Close every connection and what else the loop waited for, after its end."""
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        wasyncore.close_all(self._map)

    def _has_place(self, peer: str) -> bool:
        """Make room where it is needed: the oldest goes that has not asked."""
        crowd = self._crowd(peer)
        if crowd is None:
            return True
        for channel in crowd:
            if not channel.asked and channel.unread:
                channel.handle_read()  # a request that is there already is no silence
        idle = [channel for channel in crowd if not channel.asked]
        if idle:
            min(idle, key=lambda channel: channel.end).handle_close()
        return bool(idle)

    def _crowd(self, peer: str) -> list[_Channel] | None:
        """The connections of which one has to go before `peer` can have one more; None if there is a free place."""
        alike = [channel for channel in self.active_channels.values() if bool(channel.peer) == bool(peer)]
        of_peer = [channel for channel in alike if channel.peer == peer]
        if peer and len(of_peer) >= _PEER_PLACES:
            return of_peer
        return alike if len(alike) >= (_PLACES if peer else _OWN_PLACES) else None


def _peer(address: tuple[Any, ...]) -> str:
    """The address of another machine; empty if the kernel would send from the same address to there."""
    host, rest = str(address[0]).removeprefix("::ffff:"), address[2:]
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return ""
    family, rest = (socket.AF_INET6, rest) if ":" in host else (socket.AF_INET, ())
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9, *rest))  # sends nothing
        except OSError:
            return host
        return "" if probe.getsockname()[0] == host else host


def _bound(host: str, port: int) -> socket.socket:
    """A socket at this address. `::` is every address of the node, whatever its setting net.ipv6.bindv6only says."""
    if ":" not in host:
        return _bound_in(socket.AF_INET, host, port)
    try:
        return _bound_in(socket.AF_INET6, host, port)
    except OSError as exc:
        # A kernel without IPv6 has only addresses of IPv4.
        if exc.errno != errno.EAFNOSUPPORT or not ipaddress.ip_address(host).is_unspecified:
            raise
        return _bound_in(socket.AF_INET, "0.0.0.0", port)


def _bound_in(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
