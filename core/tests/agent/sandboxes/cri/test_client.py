"""The client and the source on a server of gRPC in this process, for what no real runtime can be made to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet.agent.sandboxes.cri import RuntimeClient
from secnet.contract import SecnetError, Timeout, Unavailable, Unsupported

from .conftest import Server

Answer = Callable[[Any, Any], Any]


def test_a_runtime_that_hangs(server: Server, client: RuntimeClient) -> None:
    released = threading.Event()
    server.fault = lambda context: (released.wait(60), None)[1]
    try:
        with pytest.raises(Timeout, match="DEADLINE_EXCEEDED"):
            client.sandboxes()
    finally:
        released.set()


def test_a_runtime_without_cri_v1(client: RuntimeClient) -> None:
    with pytest.raises(Unsupported, match=r"UNIMPLEMENTED.*CRI v1"):
        client.status("x")


def test_a_runtime_that_is_starting(server: Server, client: RuntimeClient) -> None:
    """containerd's words, and its code."""
    server.fault = lambda context: context.abort(grpc.StatusCode.UNKNOWN, "server is not initialized yet")
    with pytest.raises(Unavailable, match="not initialized yet"):
        client.sandboxes()


@pytest.mark.parametrize("odd", ["", "x" * 300, "a b", "a\nb", "../x"])
def test_a_sandbox_whose_id_is_none_is_left_out_and_named_once(
    server: Server, client: RuntimeClient, odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.uids, server.ids = ["1"], [odd]
    for _ in range(2):
        assert [found.id for found in client.sandboxes()] == ["sandbox-1"]
    assert caplog.text.count("whose id is none") == 1
    assert not client.complete
    server.ids = []
    client.sandboxes()
    assert client.complete


def test_an_answer_that_is_none(tmp_path: Path) -> None:
    """Whatever listens there: bytes that are no message, as another program's socket sends them."""
    with ThreadPoolExecutor(4) as pool:
        running = grpc.server(pool, handlers=[Garbage()])
        running.add_insecure_port(f"unix:{tmp_path}/g.sock")
        running.start()
        with RuntimeClient(tmp_path / "g.sock", timeout=5) as client, pytest.raises(Unavailable):
            client.sandboxes()
        running.stop(None).wait()


class Garbage(grpc.GenericRpcHandler):
    """Answers everything with bytes that are no protobuf."""

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\xff" * 20)


def test_grpc_is_loaded_by_the_first_client_and_not_before() -> None:
    """Agents on manifests neither have nor load it."""
    code = (
        "import sys, secnet.agent.process.app, secnet.agent.cli, secnet.agent.sandboxes.cri\n"
        "assert 'grpc' not in sys.modules and 'google.protobuf' not in sys.modules\n"
        "from pathlib import Path\n"
        "secnet.agent.sandboxes.cri.RuntimeClient(Path('/x')).close()\n"
        "assert 'grpc' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("missing", ["grpc", "google.protobuf"])
def test_without_the_extra_the_error_names_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is missing cannot be had otherwise: this environment has the extra.
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "secnet.agent.sandboxes.cri.runtime_pb2")
    monkeypatch.delattr("secnet.agent.sandboxes.cri.runtime_pb2")
    with pytest.raises(SecnetError, match=r"pip install 'secnet\[cluster\]'") as caught:
        RuntimeClient(Path("/x"))
    assert isinstance(caught.value, Unsupported)
