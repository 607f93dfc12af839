"""A client whose waiting threads can be woken."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kubernetes.client.configuration import Configuration
from secnet.agent.cluster.kube import Credentials
from secnet.agent.cluster.kube._errors import FOREIGN, translate_exception
from secnet.agent.cluster.kube._requests import PathRequest
from secnet.agent.cluster.kube._transport import Transport
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import until

VERSION = PathRequest(verb="get", kind="", where="/version")
TIMEOUT = (5.0, 60.0)


@pytest.fixture
def transport(kubeapi: KubeApiProcess, tmp_path: Path) -> Transport:
    return Transport(Credentials(kubeapi.kubeconfig(tmp_path / "kubeconfig")).configuration)


def test_close_wakes_whoever_waits_for_an_answer(kubeapi: KubeApiProcess, transport: Transport) -> None:
    kubeapi.fail(kind="hang", path="/version")
    woken: list[BaseException] = []

    def ask() -> None:
        try:
            transport.send(VERSION, TIMEOUT)
        except Exception as exc:
            woken.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: any(item["path"] == "/version" for item in kubeapi.requests()), "the request")
    transport.close()
    thread.join(20)
    assert len(woken) == 1


def test_a_closed_one_sends_nothing(kubeapi: KubeApiProcess, transport: Transport) -> None:
    assert transport.send(VERSION, TIMEOUT).status == 200
    transport.close()
    transport.close()
    kubeapi.forget_requests()
    with pytest.raises(ConnectionAbortedError):
        transport.send(VERSION, TIMEOUT)
    assert transport.closed
    assert kubeapi.requests() == []


def test_the_kernel_notices_a_server_that_vanished_without_a_word(transport: Transport) -> None:
    """A watch is silent for most of the time: without this its end would be noticed after minutes (docs/operations.md)."""
    answer = transport.send(VERSION, TIMEOUT)
    (sock,) = transport._connections.sockets()
    idle, interval, count, unacknowledged = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    )
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert idle + interval * count == 30
    assert unacknowledged == 30_000, "milliseconds"
    answer.read()
    transport.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("answer", ["none", "end", "nonsense", "refused"])
def test_failures_are_named_without_the_objects_of_the_client(
    listener: socket.socket, scheme: str, answer: str
) -> None:
    """Real failures of a real socket: their texts are the library's, and change with it."""
    host, port = listener.getsockname()[:2]
    if answer == "refused":
        listener.close()

    def serve() -> None:
        with suppress(OSError):  # the test is over
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(65536)
                if answer == "nonsense":
                    accepted.sendall(b"nonsense\r\n\r\n")
                elif answer == "none":
                    accepted.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    configuration = Configuration()
    configuration.host, configuration.retries = f"{scheme}://{host}:{port}", False
    transport = Transport(configuration)
    with pytest.raises(FOREIGN) as caught:
        transport.send(VERSION, (0.5, 0.5))
    error = translate_exception(caught.value, "API server")
    transport.close()
    thread.join(20)
    assert not re.search(r"host=|port=|object at|Error\(|Reason:", error.message), error.message
