"""Objects, and answers that are no success."""

from __future__ import annotations

import json
from typing import Any

from secnet_testing.kubeapi.admin import Rejected
from secnet_testing.kubeapi.api_server import ApiServer

NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PODS = "/api/v1/namespaces/default/pods"
POOLS = "/apis/crd.antrea.io/v1beta1/ippools"


def pod(name: str, node: str = "", **meta: Any) -> dict[str, Any]:
    """node: where it is scheduled to."""
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]} | ({"nodeName": node} if node else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **meta},
        "spec": spec,
    }


def pool(name: str = "p", vlan: int = 1, **meta: Any) -> dict[str, Any]:
    """One that our definition accepts."""
    spec = {
        "ipRanges": [{"cidr": "10.0.0.0/24"}],
        "subnetInfo": {"gateway": "10.0.0.1", "prefixLength": 24, "vlan": vlan},
    }
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name, **meta},
        "spec": spec,
    }


def refused(status: int, reason: str = "") -> Any:
    """Expect an answer with this status, and a Status object that says the same."""

    class Expect:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: Any, exc: Any, _: Any) -> bool:
            assert isinstance(exc, Rejected), f"expected {status}, got {exc!r}"
            assert exc.status == status, exc.body
            assert exc.body.get("kind") == "Status" or exc.body == {"message": "404 page not found\n"}, exc.body
            assert exc.body.get("code", status) == status
            assert not reason or exc.body["reason"] == reason
            return True

    return Expect()


class Lines:
    """A watch, line by line."""

    def __init__(self, api: ApiServer, path: str) -> None:
        self.answer = api.open(path)

    def next(self, *, bookmarks: bool = False) -> tuple[str, dict[str, Any]]:
        while line := self.answer.readline():
            event = json.loads(line)
            if bookmarks or event["type"] != "BOOKMARK":
                return event["type"], event["object"]
        return "END", {}

    def named(self) -> tuple[str, str]:
        kind, obj = self.next()
        return kind, obj["metadata"]["name"]
