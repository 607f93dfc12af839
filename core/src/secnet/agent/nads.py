"""The NADs as the watch last saw them, parsed once per version."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from secnet.contract import NetworkRef, ObjectNotFound, SecnetError

from .nad import NetworkConfig, parse_nad
from .registry import Registry

__all__ = ["Nads"]


class Nads:
    """A cache by name. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._objects: dict[NetworkRef, Mapping[str, Any]] = {}
        self._parsed: dict[NetworkRef, NetworkConfig | SecnetError | None] = {}

    def update(self, nad: Mapping[str, Any]) -> None:
        """Take a new or changed NAD."""
        with self._lock:
            self._objects[_ref(nad)] = nad
            self._parsed.pop(_ref(nad), None)

    def remove(self, nad: Mapping[str, Any]) -> None:
        """Forget a deleted NAD."""
        with self._lock:
            self._objects.pop(_ref(nad), None)
            self._parsed.pop(_ref(nad), None)

    def look_up(self, ref: NetworkRef) -> NetworkConfig | None:
        """The parsed NAD, None for a foreign `type`. Raises ObjectNotFound, or the error that its config deserves."""
        with self._lock:
            if ref not in self._objects:
                raise ObjectNotFound(
                    "there is no such NetworkAttachmentDefinition",
                    hint="create it, or correct the name or namespace in the Pod's annotation",
                    subject=f"NetworkAttachmentDefinition {ref}",
                )
            if ref not in self._parsed:
                self._parsed[ref] = self._parse(self._objects[ref])
            parsed = self._parsed[ref]
        if isinstance(parsed, SecnetError):
            raise parsed.with_traceback(None)
        return parsed

    def _parse(self, nad: Mapping[str, Any]) -> NetworkConfig | SecnetError | None:
        try:
            return parse_nad(dict(nad), self._registry)
        except SecnetError as exc:
            return exc


def _ref(nad: Mapping[str, Any]) -> NetworkRef:
    return NetworkRef(namespace=nad["metadata"].get("namespace") or "default", name=nad["metadata"]["name"])
