"""A device plugin (v1beta1) that offers devices of made-up ids to a real kubelet."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from . import kubelet_plugins_pb2 as messages
from .node import ClusterNode
from .plugin_server import PluginServer

__all__ = ["DevicePlugin"]

_FOLDER = "disk/kubelet/device-plugins"
_SERVICE = "/v1beta1.DevicePlugin"
_SECONDS = 20.0


class DevicePlugin:
    """Registered when this returns; the kubelet reports the resource a little later. allocated: the ids of each container."""

    def __init__(self, node: ClusterNode, resource: str, devices: Sequence[str]) -> None:
        self.allocated: list[list[str]] = []
        self._devices = list(devices)
        self._end = threading.Event()
        folder = node.folder / _FOLDER
        name = f"{resource.replace('/', '-')}.sock"
        self._server = PluginServer(
            folder / name,
            {
                f"{_SERVICE}/GetDevicePluginOptions": (messages.Empty, lambda _: messages.DevicePluginOptions()),
                f"{_SERVICE}/Allocate": (messages.AllocateRequest, self._allocate),
            },
            {f"{_SERVICE}/ListAndWatch": (messages.Empty, self._list_and_watch)},
        )
        with grpc.insecure_channel(f"unix:{folder / 'kubelet.sock'}") as channel:
            register = channel.unary_unary(
                "/v1beta1.Registration/Register",
                request_serializer=messages.RegisterRequest.SerializeToString,
                response_deserializer=messages.Empty.FromString,
            )
            register(
                messages.RegisterRequest(version="v1beta1", endpoint=name, resource_name=resource), timeout=_SECONDS
            )

    def stop(self) -> None:
        """End: the kubelet then offers no more of these devices."""
        self._end.set()
        self._server.stop()

    def _list_and_watch(self, _: Any) -> Iterator[Any]:
        devices = [messages.PluginDevice(ID=each, health="Healthy") for each in self._devices]
        yield messages.ListAndWatchResponse(devices=devices)
        self._end.wait()

    def _allocate(self, request: Any) -> Any:
        containers = request.container_requests
        self.allocated += [list(each.devices_ids) for each in containers]
        return messages.AllocateResponse(container_responses=[messages.ContainerAllocateResponse() for _ in containers])
