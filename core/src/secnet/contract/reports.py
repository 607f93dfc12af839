"""What plugins report: checks, inventories, probes and the state of the node.

A finding has a code, CamelCase and stable, under which people find it in the documentation. A plugin chooses its codes freely;
only these constants mean something to the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .attachment import Attachment
from .codec import freeze

__all__ = [
    "ADDRESS_OF_ANOTHER",
    "WRONG_MAC",
    "WRONG_MTU",
    "CheckReport",
    "Finding",
    "ForeignObject",
    "Inventory",
    "NodeReport",
    "Owned",
    "ProbeReport",
]

ADDRESS_OF_ANOTHER = "AddressOfAnother"
"""From `IPAMBackend.check`: the store records an address of the lease for another owner.

Two Pods may then use one address. The core shows the attachment as `Degraded`, and detaches it where its Pod is gone from the
API. With any other code the interface keeps its address: a record that is merely missing makes no Pod unready.
"""

WRONG_MAC, WRONG_MTU = "WrongMac", "WrongMtu"
"""From `NetworkDriver.check`, with `in_pod`: the Pod's link has another MAC or MTU than the attachment.

In a repair the core sets it back on the living link, before it would detach the interface for it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found wrong.

    code: CamelCase and stable. Those that the core acts upon are constants of this module; each other one is the plugin's own.
    repairable: attaching again would repair it, in place or after a detach.
    in_pod: it concerns the Pod's side of an interface, which a network can declare to be the Pod's own business.
    advisory: it is reported, and takes nothing out of service. In a NodeReport: the agent is ready in spite of it, because new
    attachments are possible (one of several uplinks is missing), or because it ends with the Pods that are there (a bridge that
    is no longer configured drains). In a CheckReport: the interface is as it was made, and is not repaired for it.
    """

    code: str
    message: str
    repairable: bool = True
    in_pod: bool = False
    advisory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The outcome of a read-only check; clean when nothing was found that is not advisory.

    in_use: how the Pod itself uses the interface, such as "in use by the bridge k6t0 in the Pod", where name, MAC, addresses and
    routes are no longer as attached because a virtual machine or a tunnel in the Pod has them. Empty otherwise. The core then
    leaves the Pod's side alone; the driver goes on checking the host's side.
    """

    findings: tuple[Finding, ...] = ()
    in_use: str = ""

    @property
    def clean(self) -> bool:
        """True when what is there is what was asked for."""
        return all(finding.advisory for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """An object group that carries our owner tag, rebuilt into the attachment it belongs to.

    complete: every part that `attach` makes is present. The lease of a rebuilt attachment is None.
    """

    attachment: Attachment
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignObject:
    """Something without our owner tag that stands in our way; reported, never touched."""

    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What `inventory` found on the host."""

    owned: tuple[Owned, ...] = ()
    foreign: tuple[ForeignObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """Whether a plugin can work here. Not ready is a value, not an exception; `message` then says why and what to do."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """The outcome of `reconcile_node`: findings name what per-node state (bridge, uplink) is missing, foreign or still in use.

    While there is any finding the core calls again: after a time, at an event of `watch_node`, and when an attachment of the
    network type was detached.
    """

    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", freeze(self.details))

    @property
    def ready(self) -> bool:
        """True when no finding keeps the agent from its work: each is advisory."""
        return all(finding.advisory for finding in self.findings)

    @property
    def settled(self) -> bool:
        """True when all per-node state is as desired, and there is nothing to call again for."""
        return not self.findings
