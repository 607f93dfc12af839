"""A driver of Dynamic Resource Allocation (DRA plugin v1) with made-up devices, for a real kubelet and scheduler."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from . import kubelet_plugins_pb2 as messages
from .api import ApiAdmin
from .node import ClusterNode
from .plugin_server import PluginServer

__all__ = ["DraDriver"]

_KUBELET = "/var/lib/kubelet"
_SERVICE = "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"
_SECONDS = 30.0


class DraDriver:
    """Registered, and its devices are published, when this returns.

    devices: the attributes of each by its name, texts by qualified name. admin: of this object alone, as the kubelet's calls come
    in threads of their own. prepared: the device names of each claim that was prepared, by the claim's name.
    """

    def __init__(self, node: ClusterNode, admin: ApiAdmin, name: str, devices: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name
        self.prepared: dict[str, list[str]] = {}
        self._admin = admin
        self._registered = threading.Event()
        self._refusal = ""
        kubelet = node.folder / "disk/kubelet"
        self._service = PluginServer(
            kubelet / f"plugins/{name}/dra.sock",
            {
                f"{_SERVICE}/NodePrepareResources": (messages.ClaimsRequest, self._prepare),
                f"{_SERVICE}/NodeUnprepareResources": (messages.ClaimsRequest, self._unprepare),
            },
        )
        self._registration = PluginServer(
            kubelet / f"plugins_registry/{name}-reg.sock",
            {
                "/pluginregistration.Registration/GetInfo": (messages.Empty, lambda _: self._info()),
                "/pluginregistration.Registration/NotifyRegistrationStatus": (
                    messages.RegistrationStatus,
                    self._registered_as,
                ),
            },
        )
        try:
            assert self._registered.wait(_SECONDS), f"{node.name}: the kubelet does not register {name}"
            assert not self._refusal, self._refusal
            # Only now: of a driver that is not registered the kubelet removes the slices.
            self._slice = admin.create(self._published(node.name, devices))
        except BaseException:
            self._registration.stop()
            self._service.stop()
            raise

    def stop(self) -> None:
        """Withdraw the devices, and end."""
        self._admin.remove(self._slice)
        self._registration.stop()
        self._service.stop()

    def _published(self, node: str, devices: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        listed = [
            {"name": name, "attributes": {key: {"string": text} for key, text in attributes.items()}}
            for name, attributes in devices.items()
        ]
        pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
        return {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": f"{node}-{self.name}"},
            "spec": {"driver": self.name, "nodeName": node, "pool": pool, "devices": listed},
        }

    def _info(self) -> Any:
        endpoint = f"{_KUBELET}/plugins/{self.name}/dra.sock"
        return messages.PluginInfo(
            type="DRAPlugin", name=self.name, endpoint=endpoint, supported_versions=["v1.DRAPlugin"]
        )

    def _registered_as(self, status: Any) -> Any:
        self._refusal = status.error
        self._registered.set()
        return messages.Empty()

    def _prepare(self, request: Any) -> Any:
        answer = messages.PrepareResponse()
        for claim in request.claims:
            path = f"/apis/resource.k8s.io/v1/namespaces/{claim.namespace}/resourceclaims/{claim.name}"
            allocation = self._admin.request("GET", path)["status"]["allocation"]["devices"]
            mine = [each for each in allocation["results"] if each["driver"] == self.name]
            self.prepared[claim.name] = [each["device"] for each in mine]
            for each in mine:
                answer.claims[claim.uid].devices.add(
                    request_names=[each["request"]],
                    pool_name=each["pool"],
                    device_name=each["device"],
                    cdi_device_ids=[f"{self.name}/net={each['device']}"],
                )
        return answer

    def _unprepare(self, request: Any) -> Any:
        answer = messages.UnprepareResponse()
        for claim in request.claims:
            self.prepared.pop(claim.name, None)
            answer.claims[claim.uid].SetInParent()
        return answer
