"""What a Pod's containers ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["asked_for"]


def asked_for(pod: Mapping[str, Any], resource: str) -> int:
    """How many devices of a resource the Pod's containers ask for.

    An init container that ends leaves its devices to the others.
    """
    spec = pod.get("spec") or {}
    ending, staying = 0, 0
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            staying += _limit(container, resource)
        else:
            ending = max(ending, _limit(container, resource))
    staying += sum(_limit(container, resource) for container in spec.get("containers") or ())
    return max(ending, staying)


def _limit(container: Mapping[str, Any], resource: str) -> int:
    """Devices are whole, and a request without a limit is none for an extended resource."""
    text = str(((container.get("resources") or {}).get("limits") or {}).get(resource, ""))
    return int(text) if text.isdecimal() else 0
