"""The HTTP server over real sockets: what it serves, what it refuses, and that no one can hold it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from secnet.agent.observe._app import Response, make_app
from secnet.agent.observe._http import HttpServer, parse_listen
from secnet.contract import InvalidConfig, NotReady
from secnet_conformance.netns import inside
from secnet_testing.netns import Namespace, NetnsFactory, run_in


def _fail() -> Response:
    raise RuntimeError("x")


ROUTES = {"/ok": lambda: Response(body=b"fine\n"), "/broken": _fail}
APP = make_app(ROUTES)


def _ask(server: HttpServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _connect(server: HttpServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("http")]


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0"])
def server(request: pytest.FixtureRequest) -> Iterator[HttpServer]:
    made = HttpServer(request.param, APP)
    yield made
    made.close()
    assert _threads() == []


def test_it_serves_its_routes_and_nothing_else(server: HttpServer) -> None:
    assert _ask(server, "/ok") == (200, b"fine\n")
    assert _ask(server, "/ok?x=1") == (200, b"fine\n")
    assert _ask(server, "/other")[0] == 404
    assert _ask(server, "/broken")[0] == 500
    for method in ("POST", "PUT", "DELETE"):
        assert _ask(server, "/ok", method)[0] == 405


@pytest.mark.parametrize(
    "text", [b"\x00\xff\r\n\r\n", b"GET /ok\r\n", b"GET /ok HTTP/9.9\r\n\r\n", b"GET " + b"x" * 70000 + b"\r\n\r\n"]
)
def test_garbage_harms_no_one(server: HttpServer, text: bytes) -> None:
    with _connect(server) as client, contextlib.suppress(OSError):  # it is closed before all was sent
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert _ask(server, "/ok")[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_address_is_of_both_families(host: str) -> None:
    """As a node's probes ask: at the Pod's address, which is of either."""
    server = HttpServer("[::]:0", APP)
    try:
        with closing(http.client.HTTPConnection(host, server.port, timeout=10)) as connection:
            connection.request("GET", "/ok")
            assert connection.getresponse().status == 200
    finally:
        server.close()


def test_every_address_of_a_kernel_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel answers is played: IPv6 can be left out of one only at its boot."""
    real = socket.socket

    def without_ipv6(family: int = socket.AF_INET, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    server = HttpServer("[::]:0", APP)
    monkeypatch.undo()
    try:
        assert (server.host, _ask(server, "/ok")[0]) == ("0.0.0.0", 200)
    finally:
        server.close()
    monkeypatch.setattr(socket, "socket", without_ipv6)
    with pytest.raises(NotReady, match="Address family not supported"):
        HttpServer("[::1]:0", APP)


def test_it_ends_though_a_worker_wakes_the_loop_in_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HttpServer("127.0.0.1:0", APP)
    trigger, thread = server._server.trigger, server._thread
    pull = trigger._physical_pull

    def twice() -> None:  # no test can hit that moment with a real worker
        pull()
        thread.join(10)
        pull()

    monkeypatch.setattr(trigger, "_physical_pull", twice)
    server.close()
    assert _threads() == []


def test_a_slow_client_is_cut_and_others_are_served_meanwhile() -> None:
    server = HttpServer("127.0.0.1:0", APP, seconds=0.3)
    try:
        with _connect(server) as slow:
            slow.settimeout(5)  # less than the socket's own timeout in the server, which no drip would meet
            slow.sendall(b"GET /ok HTTP/1.0\r\n")
            assert _ask(server, "/ok")[0] == 200
            assert slow.recv(1) == b"", "the connection is closed without an answer"
    finally:
        server.close()
    assert _threads() == []


def _is_open(client: socket.socket) -> bool:
    """Whether the server has not closed it; nothing is ever sent to it."""
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def _wait_open(clients: Sequence[socket.socket], wanted: Sequence[bool]) -> None:
    deadline = time.monotonic() + 10
    while [_is_open(client) for client in clients] != list(wanted):
        assert time.monotonic() < deadline, [_is_open(client) for client in clients]
        time.sleep(0.01)


def test_many_clients_that_say_nothing_are_bounded_and_hold_up_no_one() -> None:
    server = HttpServer("127.0.0.1:0", APP, seconds=60)
    clients = []
    try:
        clients = [_connect(server) for _ in range(70)]
        _wait_open(clients, [False] * 6 + [True] * 64)
        assert _ask(server, "/ok")[0] == 200
        _wait_open(clients, [False] * 7 + [True] * 63)
    finally:
        server.close()
        for client in clients:
            client.close()
    assert _threads() == [], "close cuts what is connected"
    with pytest.raises(OSError, match="refused"):
        _connect(server)


def test_a_client_that_says_a_byte_now_and_then_is_cut_too() -> None:
    """Each byte is a sign of life for the library, whose own timeout such a client never meets."""
    server = HttpServer("127.0.0.1:0", APP, seconds=0.3)
    try:
        with _connect(server) as drip, contextlib.suppress(ConnectionError):
            drip.settimeout(0.02)
            for _ in range(500):
                drip.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    assert drip.recv(1) == b"", "closed without an answer"
                    break
            else:
                pytest.fail("it is connected still")
    finally:
        server.close()


def test_one_connection_may_ask_again_and_a_stop_leaves_no_file() -> None:
    before = len(os.listdir("/proc/self/fd"))
    server = HttpServer("127.0.0.1:0", APP)
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        for _ in range(3):
            connection.request("GET", "/ok")
            assert connection.getresponse().read() == b"fine\n"
        server.close()
        server.close()
    assert _threads() == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_clients_that_come_again_and_again_hold_up_no_one() -> None:
    server, stop = HttpServer("127.0.0.1:0", APP, seconds=60), threading.Event()

    def hog() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), _connect(server) as client:
                client.recv(1)

    hogs = [threading.Thread(target=hog) for _ in range(24)]
    for each in hogs:
        each.start()
    try:
        assert {_ask(server, "/ok")[0] for _ in range(20)} == {200}
    finally:
        stop.set()
        server.close()
        for each in hogs:
            each.join()


def test_who_is_being_answered_is_never_cut_for_another() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow() -> Response:
        begun.release()
        assert go_on.wait(10)
        return Response(body=b"late\n")

    server = HttpServer("127.0.0.1:0", make_app(ROUTES | {"/slow": slow}), seconds=60)
    clients = []
    try:
        for _ in range(64):
            clients.append(_connect(server))
            clients[-1].sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        assert all(begun.acquire(timeout=10) for _ in range(4)), "as many as there are workers; the others wait"
        deadline = time.monotonic() + 10
        while len(server._server.task_dispatcher.queue) < 60:  # only the server knows that it has read a request
            assert time.monotonic() < deadline, "not every request is read"
            time.sleep(0.01)
        with _connect(server) as late:
            assert late.recv(1) == b"", "there is no place"
        go_on.set()
        answers = [client.recv(4096)[:12] for client in clients]
        assert answers == [b"HTTP/1.0 200"] * 64
    finally:
        go_on.set()
        server.close()
        for client in clients:
            client.close()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("node", "second", "others", "prefix"),
    [("10.9.0.1", "10.9.0.2", "10.9.0.1{}", 24), ("fd00:9::1", "fd00:9::2", "fd00:9::1{}", 64)],
)
def test_pods_cannot_take_the_places_of_the_node_nor_of_each_other(
    node_netns: Namespace, netns_factory: NetnsFactory, node: str, second: str, others: str, prefix: int
) -> None:
    """Four places for each address, eight for all; the node itself is no peer, whatever address it asks at."""
    pods = netns_factory()
    peers = [others.format(number) for number in range(3)]
    run_in(None, ["ip", "link", "add", "snhttp", "type", "veth", "peer", "name", "snpods", "netns", pods.name])
    for namespace, link, addresses in ((None, "snhttp", [node, second]), (pods, "snpods", peers)):
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            run_in(namespace, ["ip", "address", "add", f"{address}/{prefix}", "dev", link, *nodad])
        run_in(namespace, ["ip", "link", "set", link, "up"])
    server = HttpServer("[::]:0", APP, seconds=60)

    def connect(peer: str) -> socket.socket:
        return inside(pods, lambda: socket.create_connection((node, server.port), 10, source_address=(peer, 0)))

    clients: list[socket.socket] = []
    try:
        clients += [connect(peers[0]) for _ in range(6)]
        _wait_open(clients, [False] * 2 + [True] * 4)
        clients += [connect(peers[1]) for _ in range(4)]
        _wait_open(clients, [False] * 2 + [True] * 8)
        clients += [socket.create_connection((target, server.port), 10) for target in (node, second)]
        _wait_open(clients, [False] * 2 + [True] * 10)
        clients += [connect(peers[2])]
        _wait_open(clients, [False] * 3 + [True] * 10)
    finally:
        server.close()
        for client in clients:
            client.close()


def test_a_port_in_use_names_the_setting() -> None:
    server = HttpServer("127.0.0.1:0", APP)
    try:
        with pytest.raises(NotReady, match="cannot listen at") as caught:
            HttpServer(f"127.0.0.1:{server.port}", APP)
    finally:
        server.close()
    assert caught.value.path == "$.http.listen"


@pytest.mark.parametrize(
    ("text", "value"), [("::1:80", ("::1", 80)), ("[::]:0", ("::", 0)), ("1.2.3.4:5", ("1.2.3.4", 5))]
)
def test_addresses(text: str, value: tuple[str, int]) -> None:
    assert parse_listen(text) == value


@pytest.mark.parametrize("text", ["host:80", ":80", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="is not ADDRESS:PORT"):
        parse_listen(text)
