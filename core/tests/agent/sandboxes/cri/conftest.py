"""A container runtime's gRPC server in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet.agent.sandboxes.cri import RuntimeClient, runtime_pb2


class Server(grpc.GenericRpcHandler):
    """A stand-in for a runtime that hangs, is of another kind or has a hundred Pods: no real one does so when asked to.

    uids: of the sandboxes it lists. ids: beside those, of sandboxes that have nothing else. annotations: of each of those with a
    uid. calls: the names of the calls it got. fault: what happens
    instead, if anything.
    """

    def __init__(self) -> None:
        self.uids: list[str] = []
        self.ids: list[str] = []
        self.annotations: dict[str, str] = {}
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
        items = [sandbox(uid, self.annotations) for uid in self.uids if wanted in (None, uid)]
        items += [runtime_pb2.PodSandbox(id=each) for each in self.ids]
        return runtime_pb2.ListPodSandboxResponse(items=items)


def sandbox(uid: str, annotations: Mapping[str, str]) -> runtime_pb2.PodSandbox:
    return runtime_pb2.PodSandbox(
        id=f"sandbox-{uid}",
        metadata=runtime_pb2.PodSandboxMetadata(name=f"web-{uid}", namespace="default", uid=uid),
        labels={"io.kubernetes.pod.uid": uid},
        annotations={"filler": "x" * 100_000, **annotations},
    )


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
