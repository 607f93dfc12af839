"""What an administrator of a cluster does in a test, whichever API server it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from .answers import Object

__all__ = ["Admin", "Rejected"]

_ODD_PLURALS = {
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}


class Rejected(Exception):
    """An answer that is no success. status: the HTTP status; body: the Status object."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status}: {body.get('message')}")
        self.status = status
        self.body = body


class Admin(ABC):
    """Objects are plain dicts with apiVersion, kind and metadata; namespaced ones name their namespace."""

    @abstractmethod
    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Any request to the API, with the administrator's rights. Raises Rejected."""

    def create(self, obj: Object) -> Object:
        """Make an object."""
        return self._object("POST", self.path_of(obj, named=False), obj)

    def get(self, obj: Object) -> Object:
        """The live object of this kind, namespace and name."""
        return self._object("GET", self.path_of(obj))

    def patch(self, obj: Object, patch: Object, subresource: str = "") -> Object:
        """Merge-patch it; subresource: such as `/status`."""
        return self._object("PATCH", self.path_of(obj) + subresource, patch, "application/merge-patch+json")

    def bind(self, pod: Object, node: str) -> None:
        """Schedule a Pod that has no node yet."""
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}}
        self.request("POST", f"{self.path_of(pod)}/binding", binding | {"target": {"kind": "Node", "name": node}})

    def delete(self, obj: Object, *, grace: int = 0) -> Object:
        """Delete it; at once unless `grace` says otherwise."""
        return self._object("DELETE", self.path_of(obj), {"gracePeriodSeconds": grace})

    def apply(self, obj: Object) -> Object:
        """Make it, or put it in the place of the one that is there, its status included."""
        try:
            live = self.get(obj)
        except Rejected:
            live = self.create(obj)
        meta = {**obj["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
        live = self._object("PUT", self.path_of(obj), obj | {"metadata": meta})
        if "status" not in obj:
            return live
        return self._object("PUT", f"{self.path_of(obj)}/status", live | {"status": obj["status"]})

    def remove(self, obj: Object) -> None:
        """Delete it if it is there."""
        with suppress(Rejected):
            self.delete(obj)

    def items(self, path: str) -> list[Object]:
        """All objects under a path such as `/api/v1/events`."""
        found: list[Object] = self.request("GET", path)["items"]
        return found

    def _object(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        found: Object = self.request(method, path, body, content_type)
        return found

    def path_of(self, obj: Object, *, named: bool = True) -> str:
        """Where an object is, or the collection that it belongs to."""
        version, meta = obj["apiVersion"], obj["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        namespace = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
        plural = _ODD_PLURALS.get(obj["kind"], f"{obj['kind'].lower()}s")
        return f"{root}{namespace}/{plural}" + (f"/{meta['name']}" if named else "")
