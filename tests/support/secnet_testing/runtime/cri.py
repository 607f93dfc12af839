"""The calls that a kubelet makes to a container runtime, one function each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import grpc

from . import sandbox_pb2 as messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["RuntimeCalls", "messages"]

Answer = TypeVar("Answer", bound="Message")


class RuntimeCalls:
    """A connection to the runtime's socket. Thread-safe. A refusal is the `grpc.RpcError` as it is."""

    def __init__(self, socket: Path) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=options)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def version(self) -> messages.VersionResponse:
        """Which runtime answers."""
        return self._call("Version", messages.VersionRequest(), messages.VersionResponse, timeout=2)

    def conditions(self) -> dict[str, bool]:
        """Such as RuntimeReady and NetworkReady, and whether they hold."""
        answer = self._call("Status", messages.Empty(), messages.StatusResponse, timeout=5)
        return {each.type: each.status for each in answer.status.conditions}

    def run(self, config: messages.SandboxConfig) -> str:
        """Make a sandbox with its network; its id."""
        answer = self._call("RunPodSandbox", messages.RunRequest(config=config), messages.RunResponse)
        return answer.pod_sandbox_id

    def stop(self, sandbox: str) -> None:
        """End the sandbox's processes and take its network away."""
        self._call("StopPodSandbox", messages.SandboxRequest(pod_sandbox_id=sandbox), messages.Empty)

    def remove(self, sandbox: str) -> None:
        """Forget a sandbox."""
        self._call("RemovePodSandbox", messages.SandboxRequest(pod_sandbox_id=sandbox), messages.Empty)

    def list(self) -> tuple[messages.Sandbox, ...]:
        """All sandboxes."""
        return tuple(self._call("ListPodSandbox", messages.Empty(), messages.ListResponse).items)

    def status(self, sandbox: str) -> messages.SandboxStatusResponse:
        """All about one sandbox."""
        request = messages.StatusRequest(pod_sandbox_id=sandbox, verbose=True)
        return self._call("PodSandboxStatus", request, messages.SandboxStatusResponse)

    def create_container(self, request: messages.CreateContainerRequest) -> str:
        """Make a container; its id."""
        return self._call("CreateContainer", request, messages.ContainerResponse).container_id

    def start_container(self, container: str) -> None:
        """Run a container that was made."""
        self._call("StartContainer", messages.ContainerRequest(container_id=container), messages.Empty)

    def exec(self, container: str, argv: tuple[str, ...], timeout: int) -> messages.ExecResponse:
        """Run a program in a container and wait for its end."""
        request = messages.ExecRequest(container_id=container, cmd=argv, timeout=timeout)
        return self._call("ExecSync", request, messages.ExecResponse)

    def _call(self, name: str, request: Message, answer: type[Answer], timeout: float = 60) -> Answer:
        method: grpc.UnaryUnaryMultiCallable[Message, Answer] = self._channel.unary_unary(
            f"/runtime.v1.RuntimeService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return method(request, timeout=timeout)
