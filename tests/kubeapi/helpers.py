"""Objects, and answers that are no success."""

from __future__ import annotations

from typing import Any

from secnet_testing.kubeapi.admin import Rejected

NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, **meta: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **meta},
        "spec": spec,
    }


def pool(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": name}, "spec": spec}


def refused(status: int, reason: str = "") -> Any:
    """Expect an answer with this status, and a Status object that says the same."""

    class Expect:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: Any, exc: Any, _: Any) -> bool:
            assert isinstance(exc, Rejected), f"expected {status}, got {exc!r}"
            assert (exc.status, exc.body["code"], exc.body["kind"]) == (status, status, "Status"), exc.body
            assert not reason or exc.body["reason"] == reason
            return True

    return Expect()
