"""The devices that the kubelet allocated to a Pod, by its PodResources service (v1)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from secnet.contract import InvalidConfig, NotReady, PodRef

from ..base.unix_grpc import code_of, load, method, open_channel
from ..model.pod import pod_ref
from ._answer import by_resource, claimed_drivers
from ._errors import STATUSES, lacks_get, lacks_pod
from .annotation import devices_annotation
from .asked import asked_for
from .slices import NO_SLICES, ResourceSlices
from .source import DEVICES_ANNOTATION, Devices

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

    from .podresources_pb2 import PodResources

__all__ = ["KubeletDevices", "all_devices"]

_SERVICE = "/v1.PodResourcesLister"
_MESSAGES = f"{__package__}.podresources_pb2"
_DOING = "asking the kubelet for the devices of Pods"

Answer = TypeVar("Answer", bound="Message")


class KubeletDevices:
    """Asks the kubelet behind a unix socket each time. Thread-safe. Connects, and connects again, when asked.

    Devices of device plugins stand under the name of their resource. Devices of Dynamic Resource Allocation stand under the
    resource that their driver publishes in `slices`, and one for which it publishes none under the name of the driver.
    timeout: the longest that one answer takes, in seconds.

    The kubelet gives the devices of one resource in an order that changes from call to call: they are sorted here, those of an
    earlier container first.
    """

    def __init__(self, socket: Path, *, slices: ResourceSlices = NO_SLICES, timeout: float = 5.0) -> None:
        self._socket = socket
        self._slices = slices
        self._timeout = timeout
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    def close(self) -> None:
        """Close the connection; the next question makes another one."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            self._channel = None

    def devices_of(self, pod: Mapping[str, Any], timeout: float | None = None) -> Devices:
        """See `DeviceSource.devices_of`; the time is for both calls that it may take.

        Raises what `STATUSES` says, what reading ResourceSlices raises, NotReady while the kubelet knows two Pods of this name,
        InvalidConfig for a Pod that names devices by itself, Unsupported without the packages of the extra.
        """
        ref = pod_ref(pod)
        if devices_annotation(pod) is not None:
            raise InvalidConfig(
                "a Pod of a cluster cannot name its devices",
                hint=f"remove the annotation; {DEVICES_ANNOTATION} counts only where manifests are the source of the objects",
                subject=f"Pod {ref}",
                path=f"$.metadata.annotations['{DEVICES_ANNOTATION}']",
            )
        end = time.monotonic() + (self._timeout if timeout is None else min(timeout, self._timeout))
        found = self._get(ref, end)
        if found is None:
            found = self._from_list(ref, end)
        if found is None:
            return {}
        return by_resource(found.containers, self._slices.published(claimed_drivers(found.containers)))

    def remedy(self, resource: str, count: int) -> str:
        """See `DeviceSource.remedy`."""
        said = (
            f"request {count} of {resource} in resources.limits of the Pod's containers, or by resource claims of devices whose "
            "attribute k8s.cni.cncf.io/resourceName is that name"
        )
        if not self._slices.forbidden:
            return said
        return (
            f"{said}; the agent may not list resourceslices, so it knows devices of claims by the name of their driver alone: "
            "add deploy/components/dra"
        )

    def may_come(self, pod: Mapping[str, Any], resource: str) -> bool:
        """See `DeviceSource.may_come`: a claim does not say which driver serves it."""
        return bool((pod.get("spec") or {}).get("resourceClaims")) or asked_for(pod, resource) > 0

    def all(self) -> tuple[tuple[str, Devices], ...]:
        """Every Pod that the kubelet knows, as `NAMESPACE/NAME`, with its devices. Raises what `devices_of` does."""
        end = time.monotonic() + self._timeout
        return tuple((f"{each.namespace}/{each.name}", by_resource(each.containers)) for each in self._list(end))

    def _get(self, ref: PodRef, end: float) -> PodResources | None:
        """None where the kubelet cannot answer for one Pod. A Pod that it does not know (yet) has nothing."""
        grpc, messages = _packages()
        request = messages.GetPodResourcesRequest(pod_name=ref.name, pod_namespace=ref.namespace)
        try:
            answer = self._call("Get", request, messages.GetPodResourcesResponse.FromString, end)
        except grpc.RpcError as exc:
            code, details = code_of(exc)
            if lacks_get(code, details):
                return None
            if lacks_pod(code, details):
                return _nothing()
            raise STATUSES.error(exc, _DOING, subject=str(self._socket)) from exc
        found: PodResources = answer.pod_resources
        return found

    def _from_list(self, ref: PodRef, end: float) -> PodResources | None:
        """An ended Pod of the same name stays in the list for a while; without devices it is not in the way."""
        mine = [each for each in self._list(end) if (each.namespace, each.name) == (ref.namespace, ref.name)]
        having = [each for each in mine if by_resource(each.containers)]
        if len(having) > 1:
            raise NotReady(
                "the kubelet lists devices for two Pods of this name, and does not say which are whose",
                hint="it is tried again; the earlier one leaves the list when the kubelet has ended it",
                subject=f"Pod {ref}",
            )
        return having[0] if having else None

    def _list(self, end: float) -> Sequence[PodResources]:
        grpc, messages = _packages()
        try:
            request = messages.ListPodResourcesRequest()
            answer = self._call("List", request, messages.ListPodResourcesResponse.FromString, end)
        except grpc.RpcError as exc:
            raise STATUSES.error(exc, _DOING, subject=str(self._socket)) from exc
        listed: Sequence[PodResources] = answer.pod_resources
        return listed

    def _call(self, name: str, request: Message, read: Callable[[bytes], Answer], end: float) -> Answer:
        library, _ = _packages()
        with self._lock:
            if self._channel is None:
                self._channel = open_channel(library, self._socket)
            call = method(self._channel, f"{_SERVICE}/{name}", type(request), read)
        return call(request, timeout=max(0.0, end - time.monotonic()))


def all_devices(socket: Path, timeout: float = 2.0) -> tuple[tuple[str, Devices], ...]:
    """See `KubeletDevices.all`: asked once, for commands."""
    client = KubeletDevices(socket, timeout=timeout)
    try:
        return client.all()
    finally:
        client.close()


def _nothing() -> PodResources:
    _, messages = _packages()
    nothing: PodResources = messages.PodResources()
    return nothing


def _packages() -> tuple[Any, Any]:
    return load(_MESSAGES, subject="kubelet")
