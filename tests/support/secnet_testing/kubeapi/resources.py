"""Which resources there are: the built-in ones that secnet meets, and those of custom resource definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["BUILTIN", "CRD", "Resource", "ResourceName", "from_crd"]


class ResourceName(NamedTuple):
    """As in a path."""

    group: str
    version: str
    plural: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """status: whether it has the subresource. generation: whether changes of the desired state are counted.
    schema: of a custom resource; None when anything goes."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = False
    generation: bool = False
    custom: bool = False
    short: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def name(self) -> ResourceName:
        """Its key."""
        return ResourceName(self.group, self.version, self.plural)

    @property
    def api_version(self) -> str:
        """As objects say it."""
        return f"{self.group}/{self.version}" if self.group else self.version


CRD = Resource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
    status=True,
    generation=True,
    short=("crd",),
)

BUILTIN = (
    Resource(group="", version="v1", plural="pods", kind="Pod", status=True, generation=True, short=("po",)),
    Resource(group="", version="v1", plural="nodes", kind="Node", namespaced=False, status=True, short=("no",)),
    Resource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False, status=True),
    Resource(group="", version="v1", plural="events", kind="Event", short=("ev",)),
    Resource(group="", version="v1", plural="configmaps", kind="ConfigMap", short=("cm",)),
    Resource(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount", short=("sa",)),
    Resource(
        group="apps", version="v1", plural="daemonsets", kind="DaemonSet", status=True, generation=True, short=("ds",)
    ),
    Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease"),
    Resource(
        group="resource.k8s.io",
        version="v1",
        plural="resourceslices",
        kind="ResourceSlice",
        namespaced=False,
        generation=True,
    ),
    CRD,
)


def from_crd(manifest: Mapping[str, Any]) -> Resource:
    """The resource that a CustomResourceDefinition defines, in its storage version."""
    spec = manifest["spec"]
    version = next(item for item in spec["versions"] if item.get("storage"))
    keep_all = spec.get("preserveUnknownFields") is True
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=spec["names"]["plural"],
        kind=spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
        status="status" in (version.get("subresources") or {}),
        generation=True,
        custom=True,
        short=tuple(spec["names"].get("shortNames") or ()),
        schema=None if keep_all else (version.get("schema") or {}).get("openAPIV3Schema"),
    )
