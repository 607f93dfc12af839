"""A kubelet's device manager and its PodResources service (v1), as a gRPC server on a unix socket.

It answers as the kubelet does: a resource in several parts whose order changes from call to call, Pods by name only, Go's plain
errors as UNKNOWN. No real kubelet can be made late, empty or old when a test asks for it.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from secnet.agent.devices import podresources_pb2 as messages

__all__ = ["PodDevices", "PodResources", "play_pod_resources"]

_SERVICE = "/v1.PodResourcesLister/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDevices:
    """What one Pod has. containers: ids by resource, of each container. claims: (driver, device, ids of CDI), of the first."""

    namespace: str
    name: str
    containers: Mapping[str, Mapping[str, Sequence[str]]]
    claims: Sequence[tuple[str, str, Sequence[str]]] = ()


@dataclass(slots=True)
class _Faults:
    """empty: it knows Pods, but no devices. get: `unimplemented` or `disabled`. refuse: the code and text of every answer.

    hold: answers wait until it is set.
    """

    empty: bool = False
    get: str = ""
    refuse: tuple[grpc.StatusCode, str] | None = None
    hold: threading.Event | None = None


class PodResources(grpc.GenericRpcHandler):
    """See the module. Serves between `start` and `stop`; what was allocated stays, as with a kubelet that is started again.

    devices: ids by resource that this node has. pods: by uid. calls: names of the calls it got. faults: for tests to set.
    """

    def __init__(self, socket: Path, devices: Mapping[str, Sequence[str]] | None = None) -> None:
        self.socket = socket
        self.devices = {resource: list(ids) for resource, ids in (devices or {}).items()}
        self.pods: dict[str, PodDevices] = {}
        self.calls: list[str] = []
        self.faults = _Faults()
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Listen."""
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="podresources")
        self._server = grpc.server(self._pool, handlers=[self])
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()

    def stop(self) -> None:
        """Be away; nothing if it is."""
        if self.faults.hold is not None:
            self.faults.hold.set()
        if self._server is not None and self._pool is not None:
            self._server.stop(None).wait()
            self._pool.shutdown()
        self._server = None
        self.socket.unlink(missing_ok=True)

    # The device manager

    def allocate(self, pod: Mapping[str, Any]) -> None:
        """Give a Pod's containers the devices that they ask for, once. Raises ValueError when there are not enough."""
        meta = pod["metadata"]
        with self._lock:
            if meta["uid"] in self.pods:
                return
            used = {
                each
                for had in self.pods.values()
                for by in had.containers.values()
                for ids in by.values()
                for each in ids
            }
            containers: dict[str, dict[str, list[str]]] = {}
            for container in pod["spec"].get("containers") or ():
                limits = (container.get("resources") or {}).get("limits") or {}
                given = containers[container["name"]] = {}
                for resource in sorted(set(limits) & set(self.devices)):
                    free = [each for each in self.devices[resource] if each not in used]
                    count = int(limits[resource])
                    if len(free) < count:
                        raise ValueError(f"requested {count} of {resource}, but {len(free)} are free")
                    given[resource] = free[:count]
                    used.update(given[resource])
            self.pods[meta["uid"]] = PodDevices(namespace=meta["namespace"], name=meta["name"], containers=containers)

    def free(self, uid: str) -> None:
        """The Pod has ended."""
        with self._lock:
            self.pods.pop(uid, None)

    # The service

    def service(self, details: Any) -> Any:
        """Called by gRPC: who answers a call of this name."""
        name = details.method.removeprefix(_SERVICE)
        answer, read = {
            "Get": (self._get, messages.GetPodResourcesRequest.FromString),
            "List": (self._list, messages.ListPodResourcesRequest.FromString),
        }.get(name, (None, None))
        self.calls.append(name)
        if answer is None or (name == "Get" and self.faults.get == "unimplemented"):
            return None
        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=read, response_serializer=lambda message: message.SerializeToString()
        )

    def _get(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._fail(context)
        if self.faults.get == "disabled":
            context.abort(grpc.StatusCode.UNKNOWN, "PodResources API Get method disabled")
        for pod in self._pods():
            if (pod.namespace, pod.name) == (request.pod_namespace, request.pod_name):
                return messages.GetPodResourcesResponse(pod_resources=self._message(pod))
        where = f"pod {request.pod_name} in namespace {request.pod_namespace} not found"
        return context.abort(grpc.StatusCode.UNKNOWN, where)

    def _list(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._fail(context)
        return messages.ListPodResourcesResponse(pod_resources=[self._message(pod) for pod in self._pods()])

    def _fail(self, context: grpc.ServicerContext) -> None:
        if self.faults.hold is not None:
            self.faults.hold.wait()
        if self.faults.refuse is not None:
            context.abort(*self.faults.refuse)

    def _pods(self) -> list[PodDevices]:
        with self._lock:
            return list(self.pods.values())

    def _message(self, pod: PodDevices) -> Any:
        made = messages.PodResources(name=pod.name, namespace=pod.namespace)
        for name, by_resource in pod.containers.items():
            container = made.containers.add(name=name)
            if self.faults.empty:
                continue
            parts = [(resource, each) for resource, ids in by_resource.items() for each in ids]
            for resource, each in parts if len(self.calls) % 2 else parts[::-1]:
                container.devices.add(resource_name=resource, device_ids=[each])
        if pod.claims and not self.faults.empty:
            self._add_claim(made.containers[0].dynamic_resources.add(claim_name="claim"), pod)
        return made

    @staticmethod
    def _add_claim(claim: Any, pod: PodDevices) -> None:
        """With each device stand the CDI names of those of its driver before it as well, as a kubelet 1.34 lists them."""
        claim.claim_namespace = pod.namespace
        names: dict[str, list[str]] = {}
        for driver, device, ids in pod.claims:
            names.setdefault(driver, []).extend(ids)
            cdi = [messages.CDIDevice(name=each) for each in names[driver]]
            claim.claim_resources.add(driver_name=driver, pool_name="node", device_name=device, cdi_devices=cdi)


@contextmanager
def play_pod_resources(devices: Mapping[str, Sequence[str]] | None = None) -> Iterator[PodResources]:
    """A running service with a socket of its own, whose path is short enough for one."""
    folder = Path(tempfile.mkdtemp(prefix="sn-pr-"))
    made = PodResources(folder / "kubelet.sock", devices)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)
