"""A client whose waiting threads can be woken."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import Credentials
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
