"""A thin client of a container runtime: which sandboxes there are, and where the namespace of one is."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from secnet.contract import Unsupported

from ...base.unix_grpc import load, method, open_channel
from ...model.pod import NETWORKS_ANNOTATION, is_blank
from ...model.sandbox import is_container_id
from ._errors import STATUSES
from ._loaded_network import LoadedNetwork, loaded_network

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

__all__ = ["RuntimeClient", "RuntimeSandbox", "SandboxStatus", "network_path"]

_log = logging.getLogger(__name__)

UID_LABEL = "io.kubernetes.pod.uid"

_CONFIG_SOURCE = "kubernetes.io/config.source"
_TELLS_NO_PATH = (
    "use a runtime that reports the path of the network namespace (containerd, CRI-O), or the CNI plugin of secnet"
)
_SERVICE = "/runtime.v1.RuntimeService"
_MESSAGES = f"{__package__}.runtime_pb2"

Answer = TypeVar("Answer", bound="Message")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSandbox:
    """A sandbox in the runtime's list.

    uid: as the kubelet labels it. source: where the kubelet has the Pod from (`api`, `file`, `http`; empty if it does not say).
    created_at: nanoseconds since 1970. asked: see `Sandbox`; the kubelet passes the Pod's annotations of that moment on.
    """

    id: str
    namespace: str
    name: str
    uid: str
    attempt: int
    ready: bool
    created_at: int
    source: str
    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """The details of one sandbox. netns_path: None for a sandbox in the network namespace of the host."""

    id: str
    ready: bool
    netns_path: str | None


class RuntimeClient:
    """Asks the runtime behind a unix socket (CRI v1). Thread-safe. Connects, and connects again, when asked.

    timeout: the longest that one call takes, in seconds. complete: whether nothing was left out of the last list of all
    sandboxes: else what it lacks is no proof of an end.
    Raises Unsupported if the Python packages of the extra `secnet[cluster]` are missing. Methods raise what `STATUSES`
    says: Unavailable while the runtime does not answer, Timeout, Gone for a sandbox that is none, Unsupported.
    """

    def __init__(self, socket: Path, *, timeout: float = 5.0) -> None:
        self.socket = socket
        self._timeout = timeout
        self._grpc, self._messages = load(_MESSAGES, subject="container runtime")
        self._channel = open_channel(self._grpc, socket)
        messages = self._messages
        self._listed: dict[str, RuntimeSandbox] = {}  # nothing of a sandbox changes but that it ends
        self.complete = True
        self._list = method(
            self._channel,
            f"{_SERVICE}/ListPodSandbox",
            messages.ListPodSandboxRequest,
            messages.ListPodSandboxResponse.FromString,
        )
        self._status = method(
            self._channel,
            f"{_SERVICE}/PodSandboxStatus",
            messages.PodSandboxStatusRequest,
            messages.PodSandboxStatusResponse.FromString,
        )

        self._runtime_status = method(
            self._channel, f"{_SERVICE}/Status", messages.StatusRequest, messages.StatusResponse.FromString
        )

    def __enter__(self) -> RuntimeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The client is of no use afterwards."""
        self._channel.close()

    def sandboxes(self, *, uid: str = "") -> tuple[RuntimeSandbox, ...]:
        """All sandboxes, also those that have ended, in no order; with `uid` only those with this label of the kubelet.

        One whose id is none is left out.
        """
        messages = self._messages
        chosen = messages.PodSandboxFilter(label_selector={UID_LABEL: uid} if uid else {})
        request = messages.ListPodSandboxRequest(filter=chosen)
        answer = self._call(self._list, request, "listing sandboxes", str(self.socket))
        known, ready = self._listed, self._messages.SANDBOX_READY
        found = {}
        odd = [item.id for item in answer.items if not is_container_id(item.id)]
        for item in answer.items:
            if item.id in odd:
                continue
            before = known.get(item.id)
            same = before is not None and before.ready == (item.state == ready)
            found[item.id] = before if before is not None and same else self._sandbox(item)
        if not uid:
            self._listed = found
            self._note_odd(odd)
        return tuple(found.values())

    def status(self, sandbox_id: str) -> SandboxStatus:
        """One sandbox as it is now. Raises Gone if there is none, Unsupported if the runtime does not say where it is."""
        request = self._messages.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True)
        answer = self._call(self._status, request, "looking at a sandbox", f"sandbox {sandbox_id}")
        options = answer.status.linux.namespaces.options
        on_host = options.network == self._messages.NODE
        return SandboxStatus(
            id=answer.status.id,
            ready=answer.status.state == self._messages.SANDBOX_READY,
            netns_path=None if on_host else network_path(answer.info, f"sandbox {sandbox_id}"),
        )

    def loaded_network(self) -> LoadedNetwork | None:
        """What the runtime has loaded of its CNI configuration; None where it does not say (CRI-O)."""
        request = self._messages.StatusRequest(verbose=True)
        answer = self._call(self._runtime_status, request, "looking at the runtime", str(self.socket))
        return loaded_network(answer.info)

    def _note_odd(self, odd: list[str]) -> None:
        """Logged once, as the list is asked for several times a second."""
        if odd and self.complete:
            _log.warning(
                "the container runtime lists sandboxes whose id is none, such as %.100r: they are left out", odd[0]
            )
        self.complete = not odd

    def _sandbox(self, item: Any) -> RuntimeSandbox:
        meta = item.metadata
        return RuntimeSandbox(
            id=item.id,
            namespace=meta.namespace,
            name=meta.name,
            uid=item.labels.get(UID_LABEL, ""),
            attempt=meta.attempt,
            ready=item.state == self._messages.SANDBOX_READY,
            created_at=item.created_at,
            source=item.annotations.get(_CONFIG_SOURCE, ""),
            asked=not is_blank(item.annotations.get(NETWORKS_ANNOTATION, "")),
        )

    def _call(
        self, call: grpc.UnaryUnaryMultiCallable[Message, Answer], request: Message, doing: str, subject: str
    ) -> Answer:
        try:
            return call(request, timeout=self._timeout)
        except self._grpc.RpcError as exc:
            raise STATUSES.error(exc, doing, subject=subject) from exc


def network_path(info: Mapping[str, str], subject: str) -> str | None:
    """The path of the network namespace; None if the sandbox has none of its own. Raises Unsupported if nothing is said.

    info: the runtime's verbose status, which the CRI leaves to each runtime. containerd and CRI-O both answer with a key `info`
    that holds a JSON object with `runtimeSpec`: the configuration of the sandbox's own process after the OCI runtime
    specification, whose `linux.namespaces` gives the path of each namespace. CRI-O without an infra container may leave the
    specification empty; nothing else in its answer names the path then.
    """
    namespaces = _namespaces(_content(info.get("info"), subject))
    if namespaces is None:
        raise Unsupported(
            "the container runtime does not say which namespaces the sandbox has",
            hint=_TELLS_NO_PATH,
            subject=subject,
            path="$.runtimeSpec.linux.namespaces",
        )
    for namespace in namespaces:
        if namespace.get("type") == "network":
            path = namespace.get("path")
            if not path:
                return None
            if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
                raise Unsupported(
                    "the container runtime gives no absolute path of the network namespace",
                    hint=_TELLS_NO_PATH,
                    subject=subject,
                    path="$.runtimeSpec.linux.namespaces",
                )
            return path
    return None


def _content(text: str | None, subject: str) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError) as exc:
        raise Unsupported(
            "the container runtime's information is no JSON", hint=_TELLS_NO_PATH, subject=subject
        ) from exc


def _namespaces(content: Any) -> list[Mapping[str, Any]] | None:
    """The list as the OCI runtime specification has it; None where the answer has another shape, or is empty."""
    for key in ("runtimeSpec", "linux", "namespaces"):
        content = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(content, list) or not content:
        return None
    return [entry for entry in content if isinstance(entry, Mapping)]
