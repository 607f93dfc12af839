"""Definitions of custom resources: ours as `deploy/crds` has them, and others that a test makes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["IPPOOL", "NAD", "definition"]

_DEPLOYED = Path(__file__).resolve().parents[4] / "deploy/crds"
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


def _ours(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_DEPLOYED / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


NAD = _ours("network-attachment-definitions")
IPPOOL = _ours("ippools")
