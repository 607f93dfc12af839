"""Definitions of our custom resources that accept everything, for tests that are not about their schemas."""

from __future__ import annotations

from typing import Any

__all__ = ["IPPOOL", "NAD", "definition"]

_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(
    kind: str, plural: str, group: str, version: str, *, namespaced: bool, status: bool, schema: Any = None
) -> dict[str, Any]:
    """A CustomResourceDefinition of one version."""
    served: dict[str, Any] = {"name": version, "served": True, "storage": True}
    served["schema"] = {"openAPIV3Schema": schema or _ANYTHING}
    if status:
        served["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [served],
        },
    }


NAD = definition(
    "NetworkAttachmentDefinition",
    "network-attachment-definitions",
    "k8s.cni.cncf.io",
    "v1",
    namespaced=True,
    status=False,
)
IPPOOL = definition("IPPool", "ippools", "crd.antrea.io", "v1beta1", namespaced=False, status=True)
