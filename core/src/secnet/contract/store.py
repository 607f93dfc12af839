"""How a plugin reaches cluster objects, whatever holds them: the Kubernetes API or a directory of manifests."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["ObjectStore"]


class ObjectStore(Protocol):
    """Plain dicts in the shape of the Kubernetes API, with optimistic concurrency by `metadata.resourceVersion`.

    kind: one that the plugin declares. An empty namespace of a namespaced kind is `default`.
    """

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """A fresh copy of one live object, read now and not from a cache. Raises ObjectNotFound or Unavailable."""
        ...

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        """Fresh copies of all objects of a kind (of one namespace, if given)."""
        ...

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Replace the `status` of an object if its resourceVersion is still the one given; returns the stored object.

        Raises StoreConflict if it changed meanwhile, ObjectNotFound if it is gone.
        """
        ...
