"""What became of each network of each Pod, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import (
    AttachmentId,
    ErrorInfo,
    NodeObservation,
    NodeReport,
    PodRef,
    freeze,
)

from .record import Phase, Record

__all__ = [
    "DEGRADED",
    "FAILED",
    "LATE",
    "LATE_TEXT",
    "NetworkReport",
    "NodeState",
    "PENDING",
    "PodReport",
    "STUCK",
    "SingleReport",
    "SyncResult",
    "network_report",
    "unworked_report",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """report is None when the Pod needs none; records are its attachments now, made those of them that this sync made."""

    report: PodReport | None
    records: tuple[Record, ...] = ()
    released: frozenset[tuple[str, str]] = frozenset()
    made: tuple[Record, ...] = ()

    @property
    def errors(self) -> tuple[ErrorInfo, ...]:
        """Every error in the report."""
        if self.report is None:
            return ()
        own = (self.report.error,) if self.report.error else ()
        return own + tuple(network.error for network in self.report.networks if network.error)


PENDING = "Pending"


FAILED = "Failed"


DEGRADED = "Degraded"


STUCK = "Stuck"


LATE = "StartedWithoutNetworks"
"""The reason of a Pod whose containers did not wait for its networks, although the CNI plugin is chained here."""

LATE_TEXT = "attached after the Pod's sandbox had started; delete the Pod if its programs look for interfaces only once"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkReport:
    """The state of one network of a Pod.

    phase: Attached, Degraded (attached, but a check found drift), Pending (will be tried again), Failed (only a new input
    helps), Detaching, Stuck (a call into a plugin does not return, and all that the attachment holds stays held).
    outdated: its NAD was edited since; a living attachment stays as it was attached. in_use: see `CheckReport`.
    repairing: a repair did not come to its end yet: the interface may not work. late: see `Record`.
    """

    network: str
    phase: str
    interface: str = ""
    network_type: str = ""
    addresses: tuple[str, ...] = ()
    vlan: int | None = None
    mac: str | None = None
    mtu: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    nad_generation: int = 0
    outdated: bool = False
    in_use: str = ""
    repairing: bool = False
    late: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", freeze(self.details))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader may want to know of an interface that works."""
        outdated = "its NetworkAttachmentDefinition was edited after it was attached; a new Pod gets it as it is now"
        return (
            *((f"{LATE}: {LATE_TEXT}",) if self.late else ()),
            *((f"Outdated: {outdated}",) if self.outdated else ()),
            *((self.in_use,) if self.in_use else ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReport:
    """The state of one Pod's networks, and what it answers.

    generation: of the Pod. revision: the highest resourceVersion of the store that was seen before the work began. called,
    uncalled: see `Changes`.
    """

    pod: PodRef
    generation: int = 0
    container_id: str = ""
    netns: str = ""
    error: ErrorInfo | None = None
    networks: tuple[NetworkReport, ...] = ()
    called: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    revision: int = 0
    updated: int = 0

    @property
    def settled(self) -> bool:
        """True when nothing will happen any more without a new input."""
        done = all(network.phase in (Phase.ATTACHED, FAILED, DEGRADED) for network in self.networks)
        return done and (self.error is None or not self.error.retryable)

    @property
    def attached(self) -> bool:
        """True when every network is attached."""
        return self.error is None and all(network.phase == Phase.ATTACHED for network in self.networks)


def unworked_report(pod: PodRef, hint: str = "") -> PodReport:
    """The report of a Pod that asks for networks, before any work on it has ended."""
    error = ErrorInfo(reason=PENDING, message="it has not been worked on yet", hint=hint, retryable=True)
    return PodReport(pod=pod, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """The per-node state of one driver: its last NodeReport, or the error of the last attempt, and what it saw after that."""

    network_type: str
    report: NodeReport = field(default_factory=NodeReport)
    error: ErrorInfo | None = None
    observation: NodeObservation = field(default_factory=NodeObservation)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleReport:
    """What the last check found on an interface that a caller of the CNI plugin asked for."""

    key: AttachmentId
    error: ErrorInfo | None = None
    in_use: str = ""


def network_report(
    record: Record, error: ErrorInfo | None = None, *, outdated: bool = False, in_use: str = ""
) -> NetworkReport:
    """The report of a network that has a record."""
    attachment, result = record.attachment, record.result
    phase, repairing = str(record.phase), record.phase == Phase.REPAIRING
    if repairing and error is None:
        error = ErrorInfo(reason=DEGRADED, message="its repair did not end yet", hint="the next check goes on with it")
    if repairing or (record.phase == Phase.ATTACHED and error is not None):
        phase = DEGRADED
    return NetworkReport(
        network=str(attachment.request.network),
        phase=phase,
        interface=record.key.ifname,
        network_type=attachment.request.network_type,
        addresses=tuple(item.address for item in attachment.lease.addresses) if attachment.lease else (),
        vlan=attachment.vlan,
        mac=result.mac if result else attachment.mac,
        mtu=result.mtu if result else attachment.mtu,
        details=result.details if result else {},
        error=error,
        nad_generation=record.nad_generation,
        outdated=outdated,
        in_use=in_use,
        repairing=repairing,
        late=record.late,
    )
