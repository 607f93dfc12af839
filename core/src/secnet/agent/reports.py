"""What became of each network of each Pod, for `secnet status`, for a waiting `secnet apply`, and for the next process.

One JSON file per Pod under `runDir/reports`, replaced by rename: readers need no lock and no running agent.
"""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from secnet.contract import AttachmentId, ErrorInfo, NodeReport, PodRef, freeze, from_json, to_json

from .cluster.base import Problem
from .journal import Phase, Record

__all__ = ["NetworkReport", "NodeState", "PodReport", "Reports", "SingleReport", "network_report"]

T = TypeVar("T")

PENDING = "Pending"
FAILED = "Failed"
DEGRADED = "Degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkReport:
    """The state of one network of a Pod.

    phase: Attached, Degraded (attached, but a check found a deviation), Pending (will be tried again), Failed (only a new input
    helps), Detaching.
    outdated: its NAD was edited since; a living attachment stays as it was made.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", freeze(self.details))


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReport:
    """The state of one Pod's networks, and what it answers.

    generation: of the Pod. revision: the highest resourceVersion of the store that was seen before the work began.
    """

    pod: PodRef
    generation: int = 0
    container_id: str = ""
    netns: str = ""
    error: ErrorInfo | None = None
    networks: tuple[NetworkReport, ...] = ()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """The per-node state of one driver: its last NodeReport, or the error of the last attempt."""

    network_type: str
    report: NodeReport = field(default_factory=NodeReport)
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleReport:
    """What the last check found on an interface that a caller of the CNI plugin asked for."""

    key: AttachmentId
    error: ErrorInfo


def network_report(record: Record, error: ErrorInfo | None = None, *, outdated: bool = False) -> NetworkReport:
    """The report of a network that has a record."""
    attachment, result = record.attachment, record.result
    phase = str(record.phase)
    if error is not None:
        phase = DEGRADED if record.phase == Phase.ATTACHED else phase
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
    )


class Reports:
    """The report files. Writers hold the run directory's lock; readers may be any process."""

    def __init__(self, run_dir: Path) -> None:
        self._pods = run_dir / "reports"
        self._node = run_dir / "node"
        self._single = run_dir / "single.json"
        self._problems = run_dir / "problems.json"

    def write(self, report: PodReport) -> None:
        """Put a Pod's report on disk."""
        data = to_json(report) | {"updated": int(time.time())}
        _replace(self._path(report.pod.uid), data)

    def has(self, uid: str) -> bool:
        """Whether a Pod's report is on disk."""
        return os.path.exists(self._path(uid))

    def remove(self, uid: str) -> None:
        """Forget a Pod that is gone."""
        self._path(uid).unlink(missing_ok=True)

    def _path(self, uid: str) -> Path:
        return self._pods / f"{urllib.parse.quote(uid, safe='')}.json"

    def pods(self) -> tuple[PodReport, ...]:
        """All readable Pod reports, by namespace and name."""
        found = [report for path in self._pods.glob("*.json") if (report := _read(PodReport, path)) is not None]
        return tuple(sorted(found, key=lambda report: (report.pod.namespace, report.pod.name)))

    def write_node(self, state: NodeState) -> None:
        """Put a driver's per-node state on disk."""
        _replace(self._node / f"{urllib.parse.quote(state.network_type, safe='')}.json", to_json(state))

    def node(self) -> tuple[NodeState, ...]:
        """The per-node state of all drivers."""
        found = (_read(NodeState, path) for path in sorted(self._node.glob("*.json")))
        return tuple(state for state in found if state is not None)

    def write_single(self, reports: Iterable[SingleReport]) -> None:
        """Put on disk what deviates of single networks: all of it."""
        _replace(self._single, to_json(tuple(reports)))

    def single(self) -> tuple[SingleReport, ...]:
        """What deviated of single networks at the last check."""
        return _read_list(SingleReport, self._single)

    def write_problems(self, problems: Iterable[Problem]) -> None:
        """Put what is wrong with the source of the objects on disk."""
        _replace(self._problems, to_json(tuple(problems)))

    def problems(self) -> tuple[Problem, ...]:
        """What was last wrong with the source of the objects."""
        return _read_list(Problem, self._problems)


def _replace(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(data), encoding="utf-8")
    os.replace(temporary, path)


def _read(cls: type[Any], path: Path) -> Any:
    try:
        return from_json(cls, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None  # gone or being replaced by an incompatible version: readers show what there is


def _read_list(cls: type[T], path: Path) -> tuple[T, ...]:
    try:
        return tuple(from_json(cls, item) for item in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ()
