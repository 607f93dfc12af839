"""The client and the source on a server of gRPC in this process, for what no real runtime can be made to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet.agent.sandboxes.cri import CriSandboxes, RuntimeClient, runtime_pb2
from secnet.contract import SecnetError, Timeout, Unavailable, Unsupported

Answer = Callable[[Any, Any], Any]


class Server(grpc.GenericRpcHandler):
    """A stand-in for a runtime that hangs, is of another kind or has a hundred Pods: no real one does so when asked to.

    uids: of the sandboxes it lists. calls: the names of the calls it got. fault: what happens instead, if anything.
    """

    def __init__(self) -> None:
        self.uids: list[str] = []
        self.calls: list[str] = []
        self.fault: Callable[[grpc.ServicerContext], None] | None = None

    def service(self, details: Any) -> Any:
        name = details.method.removeprefix("/runtime.v1.RuntimeService/")
        self.calls.append(name)
        if name != "ListPodSandbox":
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._list,
            request_deserializer=runtime_pb2.ListPodSandboxRequest.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _list(
        self, request: runtime_pb2.ListPodSandboxRequest, context: grpc.ServicerContext
    ) -> runtime_pb2.ListPodSandboxResponse:
        if self.fault is not None:
            self.fault(context)
        wanted = request.filter.label_selector.get("io.kubernetes.pod.uid")
        items = [sandbox(uid) for uid in self.uids if wanted in (None, uid)]
        return runtime_pb2.ListPodSandboxResponse(items=items)


def sandbox(uid: str) -> runtime_pb2.PodSandbox:
    return runtime_pb2.PodSandbox(
        id=f"sandbox-{uid}",
        metadata=runtime_pb2.PodSandboxMetadata(name=f"web-{uid}", namespace="default", uid=uid),
        labels={"io.kubernetes.pod.uid": uid},
        annotations={"filler": "x" * 100_000},
    )


def pod(uid: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": f"web-{uid}", "uid": uid}, "spec": {}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    handler = Server()
    with ThreadPoolExecutor(4) as pool:
        running = grpc.server(pool, handlers=[handler])
        running.add_insecure_port(f"unix:{tmp_path}/c.sock")
        running.start()
        yield handler
        running.stop(None).wait()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[RuntimeClient]:
    with RuntimeClient(tmp_path / "c.sock", timeout=0.5) as client:
        yield client


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


def test_one_look_at_all_pods_is_one_call(server: Server, client: RuntimeClient) -> None:
    """Also with an answer of 11 MB: gRPC takes 4 by itself."""
    server.uids = [str(number) for number in range(110)]
    now = [0.0]
    with RuntimeClient(client.socket, timeout=60) as patient:
        source = CriSandboxes(patient, keep=0.25, clock=lambda: now[0])
        pods = [pod(uid) for uid in server.uids]
        first = [source.fingerprint(each) for each in pods]
        assert server.calls == ["ListPodSandbox"]
        assert len(set(first)) == 110
        assert None not in first
        server.uids = server.uids[1:]
        now[0] = 0.2
        assert [source.fingerprint(each) for each in pods] == first
        now[0] = 0.3
        assert [source.fingerprint(each) for each in pods] == [None, *first[1:]]
        assert server.calls == ["ListPodSandbox"] * 2


def test_one_look_at_all_pods_waits_once_for_a_runtime_that_fails(server: Server, client: RuntimeClient) -> None:
    server.uids = ["1", "2"]
    now = [0.0]
    source = CriSandboxes(client, keep=0.25, clock=lambda: now[0])
    first = [source.fingerprint(pod("1")), source.fingerprint(pod("2"))]
    server.fault = lambda context: context.abort(grpc.StatusCode.INTERNAL, "no")
    now[0] = 1.0
    assert [source.fingerprint(pod("1")), source.fingerprint(pod("2"))] == first
    assert server.calls == ["ListPodSandbox"] * 2
    assert source.living() is None
    server.fault = None
    now[0] = 2.0
    assert source.refresh()
    assert source.living() == {"sandbox-1", "sandbox-2"}


def test_the_trouble_is_logged_once(server: Server, client: RuntimeClient, caplog: pytest.LogCaptureFixture) -> None:
    source = CriSandboxes(client)
    server.fault = lambda context: context.abort(grpc.StatusCode.INTERNAL, "no")
    with caplog.at_level("INFO"):
        assert [source.refresh(), source.refresh()] == [False, False]
        server.fault = None
        assert [source.refresh(), source.refresh()] == [True, True]
    texts = [record.getMessage() for record in caplog.records if record.name.startswith("secnet")]
    assert len(texts) == 2
    assert "its last answer is kept" in texts[0]
    assert "answers again" in texts[1]


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
