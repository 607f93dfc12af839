"""Kinds of cluster objects that a plugin works with, so that it can bring a custom resource of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import freeze
from .identity import ObjectRef

__all__ = ["CLUSTER_SCOPE", "NAMESPACED_SCOPE", "ObjectKind"]

CLUSTER_SCOPE = "Cluster"
NAMESPACED_SCOPE = "Namespaced"
"""As in a CustomResourceDefinition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKind:
    """A kind as its CustomResourceDefinition has it, with the status subresource: a plugin writes nothing but status.

    group: such as `example.com`; empty for the core group. version: such as `v1`.
    plural: the resource's name in paths and rules, lower case. short_names: what `kubectl get` takes too.
    scope: NAMESPACED_SCOPE or CLUSTER_SCOPE.
    schema: draft 2020-12, of the whole object; None checks nothing. With manifests the core refuses what breaks it, as an
    API server does with the schema of the CRD, and `secnet validate` says so offline.

    In a cluster the plugin brings its CRD. The agent needs rules for it: `get`, `list` and `watch` of the plural, `update` of
    `PLURAL/status`, as `deploy/render.py --print` writes them. `secnet doctor` looks for both.
    """

    kind: str
    group: str
    version: str
    plural: str
    scope: str = NAMESPACED_SCOPE
    short_names: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", freeze(self.schema))

    @property
    def api_version(self) -> str:
        """`GROUP/VERSION`, as objects have it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def namespaced(self) -> bool:
        """Whether its objects lie in namespaces."""
        return self.scope == NAMESPACED_SCOPE

    def ref(self, name: str, namespace: str = "") -> ObjectRef:
        """The reference to one of its objects, for `waits_for` of an error."""
        return ObjectRef(group=self.group, kind=self.kind, namespace=namespace, name=name)
