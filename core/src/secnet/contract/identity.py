"""Who and what an attachment is about: the Pod, the network, the sandbox, the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DeviceRef", "AttachmentId", "NetnsRef", "NetworkRef", "ObjectRef", "PodRef"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AttachmentId:
    """Identity of an attachment: the sandbox and the interface name inside it (docs/architecture.md, "Identity")."""

    container_id: str
    ifname: str

    def __str__(self) -> str:
        return f"{self.container_id}/{self.ifname}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """An object of the cluster, whether it exists or not.

    group: API group without version, such as `crd.antrea.io`; empty for the core group.
    namespace: empty for cluster-scoped kinds, and only for these.
    """

    group: str = ""
    kind: str
    namespace: str = ""
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ObjectRef:
        """The reference to an object in the shape of the Kubernetes API: a plain dict with apiVersion, kind and metadata."""
        group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
        meta = obj["metadata"]
        return cls(
            group=group if slash else "", kind=obj["kind"], namespace=meta.get("namespace") or "", name=meta["name"]
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """The Pod that asked. `uid` groups and cross-checks attachments; it is not their key."""

    namespace: str
    name: str
    uid: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class NetworkRef:
    """A NetworkAttachmentDefinition."""

    namespace: str
    name: str

    @property
    def object_ref(self) -> ObjectRef:
        """The same as a reference to an object, for `SecnetError.waits_for`."""
        return ObjectRef(
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
            namespace=self.namespace,
            name=self.name,
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsRef:
    """A network namespace: the path to open, and what proves that it is still the same one.

    The kernel may give the inode of a removed namespace to the next one (measured); the cookie is never used twice in one boot.
    It is 0 where the kernel has none (before 5.14).
    """

    path: str
    device: int
    inode: int
    cookie: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """A device that the core allocated for this attachment: a PCI address or an auxiliary device name."""

    id: str
    resource: str = ""
