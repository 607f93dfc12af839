"""Reads where a sandbox's network namespace is from the runtime's verbose status, which the CRI leaves to each runtime.

containerd and CRI-O both answer with a key `info` that holds a JSON object with `runtimeSpec`: the configuration of the
sandbox's own process after the OCI runtime specification, whose `linux.namespaces` gives the path of each namespace. CRI-O
without an infra container may leave the specification empty; nothing else in its answer names the path then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secnet.contract import Unsupported

__all__ = ["network_path"]

_HINT = "use a runtime that reports the path of the network namespace (containerd, CRI-O), or the CNI plugin of secnet"


def network_path(info: Mapping[str, str], subject: str) -> str | None:
    """The path of the network namespace; None if the sandbox has none of its own. Raises Unsupported if nothing is said."""
    namespaces = _namespaces(_content(info.get("info"), subject))
    if namespaces is None:
        raise Unsupported(
            "the container runtime does not say which namespaces the sandbox has",
            hint=_HINT,
            subject=subject,
            path="$.runtimeSpec.linux.namespaces",
        )
    for namespace in namespaces:
        if namespace.get("type") == "network":
            path = namespace.get("path")
            return path if isinstance(path, str) and path else None
    return None


def _content(text: str | None, subject: str) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError as exc:
        raise Unsupported("the container runtime's information is no JSON", hint=_HINT, subject=subject) from exc


def _namespaces(content: Any) -> list[Mapping[str, Any]] | None:
    """The list as the OCI runtime specification has it; None where the answer has another shape, or is empty."""
    for key in ("runtimeSpec", "linux", "namespaces"):
        content = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(content, list) or not content:
        return None
    return [entry for entry in content if isinstance(entry, Mapping)]
