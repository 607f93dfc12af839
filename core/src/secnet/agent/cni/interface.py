"""What the CNI calls need from the agent: the work itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from secnet.contract import Dns, ErrorInfo, Finding, HostInterface, LeaseAddress, PodRef, Route, freeze

from ..model.record import Record

__all__ = ["Attached", "Attacher", "RecordedAttachment", "RuntimeConfig", "SandboxCall", "attached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCall:
    """The sandbox that a call is about.

    netns: a path as the runtime knows it; nothing was checked yet. pod: None when the runtime names none.
    ifname: CNI_IFNAME; in a chain that is the primary interface. may_pass: the Pod must not wait until it can be looked up.
    """

    container_id: str
    netns: str
    ifname: str
    pod: PodRef | None = None
    may_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """What the caller adds for one attachment, canonical as in `annotation.Selection`.

    device_id: the device that the caller allocated, a PCI address in lower case.
    device_info_file: where it wants the device information. cni_args: `cni-args` of the annotation, as Multus passes them on.
    """

    mac: str | None = None
    ips: tuple[str, ...] = ()
    bandwidth: Mapping[str, int] | None = None
    port_mappings: tuple[Mapping[str, Any], ...] = ()
    infiniband_guid: str | None = None
    device_id: str | None = None
    device_info_file: str | None = None
    cni_args: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("bandwidth", "port_mappings", "cni_args"):
            object.__setattr__(self, name, freeze(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An interface, as far as a CNI result describes it. netdev: False when the Pod got no kernel interface."""

    ifname: str
    mac: str | None = None
    mtu: int | None = None
    netdev: bool = True
    host_interfaces: tuple[HostInterface, ...] = ()
    addresses: tuple[LeaseAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = field(default_factory=Dns)
    device_info: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "device_info", freeze(self.device_info))


def attached(record: Record) -> Attached:
    """What a record says of its interface."""
    lease, result = record.attachment.lease, record.result
    return Attached(
        ifname=record.key.ifname,
        mac=(result.mac if result else None) or record.attachment.mac,
        mtu=(result.mtu if result else None) or record.attachment.mtu,
        netdev=result.netdev if result else True,
        host_interfaces=result.host_interfaces if result else (),
        addresses=lease.addresses if lease else (),
        routes=lease.routes if lease else (),
        dns=lease.dns if lease else Dns(),
        device_info=result.device_info if result else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttachment:
    """One record, as far as GC needs it. chained: made by `attach_pod`; network: the name in the CNI configuration."""

    container_id: str
    ifname: str
    network: str
    chained: bool = False


class Attacher(Protocol):
    """The agent, as the CNI calls see it. All methods are called from many threads at once, and raise SecnetError.

    Calls about one sandbox may overlap: a runtime that gave up on ADD sends DEL while the cancelled `attach_pod` still cleans
    up. They must then act one after the other.
    """

    @property
    def ready(self) -> bool:
        """Whether recovery is complete. Before it only `status`, `recorded` and what detaches are called."""
        ...

    def attach_pod(self, sandbox: SandboxCall, cancel: threading.Event) -> Sequence[Attached]:
        """All networks of the Pod, or an error and nothing left. Raises Cancelled soon after `cancel` is set.

        None for one that may pass and cannot be looked up now: it is attached when it is seen.
        """
        ...

    def detach_sandbox(self, container_id: str) -> None:
        """End what `attach_pod` made for this sandbox, and nothing else. Nothing there is success."""
        ...

    def has_ended(self, container_id: str) -> bool:
        """Whether a sandbox of `attach_pod` has ended; False where it is unknown. Never raises."""
        ...

    def check_sandbox(self, container_id: str) -> Sequence[Finding]:
        """What is not as `attach_pod` made it."""
        ...

    def attach_one(
        self,
        sandbox: SandboxCall,
        conf: Mapping[str, Any],
        ifname: str,
        runtime: RuntimeConfig,
        cancel: threading.Event,
    ) -> Attached:
        """One network, or an error and nothing left.

        conf: the network's configuration without what runtimes add; nothing in it was checked but cniVersion, name and type.
        """
        ...

    def detach_one(self, container_id: str, ifname: str, network: str) -> None:
        """End what `attach_one` made, or record that it is to end. Nothing there is success.

        An error means that neither was done, and that the caller must come again.
        """
        ...

    def check_one(self, container_id: str, ifname: str, network: str, result: Mapping[str, Any]) -> Sequence[Finding]:
        """What is not as `attach_one` made it; also that nothing was made.

        result: the last one of the chain of plugins, which says what those after ours made of the interface.
        """
        ...

    def recorded(self) -> Sequence[RecordedAttachment]:
        """Everything that stands in a record, however far it came."""
        ...

    def status(self) -> ErrorInfo | None:
        """Why ADD cannot be served now; None when it can."""
        ...
