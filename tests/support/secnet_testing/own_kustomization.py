"""Kustomizations as users write them, and what is built from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from .documents import ROOT

DEPLOY = ROOT / "deploy"
COMPONENTS = sorted(path.name for path in (DEPLOY / "components").iterdir())


def _builds() -> Iterator[tuple[str, ...]]:
    """None, each, every two, and all of them, as far as they go together: `sync` and `multus` exclude each other."""
    chosen = [*(names for count in range(3) for names in combinations(COMPONENTS, count))]
    chosen += [tuple(name for name in COMPONENTS if name != other) for other in ("sync", "multus")]
    yield from (names for names in dict.fromkeys(chosen) if not {"sync", "multus"} <= set(names))


BUILDS = list(_builds())
"""Sets of components that are built and compared."""


def write_own(folder: Path, components: tuple[str, ...], node: str | None = None) -> Path:
    """A kustomization as deploy/README.md has it, with the user's node.yaml or without."""
    own: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_relative(DEPLOY / "base", folder)],
        "components": [_relative(DEPLOY / "components" / name, folder) for name in components],
    }
    if node is not None:
        (folder / "node.yaml").write_text(node)
        entry = {"name": "secnet-node", "namespace": "secnet-system", "behavior": "replace", "files": ["node.yaml"]}
        own["configMapGenerator"] = [entry]
    (folder / "kustomization.yaml").write_text(json.dumps(own))
    return folder


def _relative(path: Path, folder: Path) -> str:
    """kustomize takes no absolute paths."""
    return "../" * (len(folder.parts) - 1) + str(path)[1:]


def by_kind(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The objects of the agent itself by kind, the ConfigMaps in `configs` by name without the hash, others by kind and name."""
    found: dict[str, Any] = {"configs": {}}
    for obj in objects:
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "ConfigMap":
            found["configs"][plain_name(name)] = obj
        else:
            found[kind if name == "secnet-agent" or kind == "Namespace" else f"{kind}/{name}"] = obj
    return found


def plain_name(name: str) -> str:
    """Without the hash."""
    return re.sub(r"-[a-z0-9]{10}$", "", name)


def pod(built: dict[str, Any]) -> dict[str, Any]:
    """The Pod template's spec of the DaemonSet."""
    spec: dict[str, Any] = built["DaemonSet"]["spec"]["template"]["spec"]
    return spec


def agent(built: dict[str, Any]) -> dict[str, Any]:
    """The container of the DaemonSet."""
    (container,) = pod(built)["containers"]
    return dict(container)
