"""Who and what an attachment is about: the Pod, the network, the sandbox, the device."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeviceRef", "AttachmentId", "NetnsRef", "NetworkRef", "PodRef"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AttachmentId:
    """Identity of an attachment: the sandbox and the interface name inside it (ARCHITECTURE "Identity")."""

    container_id: str
    ifname: str

    def __str__(self) -> str:
        return f"{self.container_id}/{self.ifname}"


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
