"""What is drawn: bridges with their uplinks, in them VLANs, in these the interfaces of Pods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import ErrorInfo

from ..model.record import Phase
from ..model.report import NetworkReport, NodeState, PodReport

__all__ = ["Bridge", "Interface", "Segment", "Topology", "Uplink", "build"]

_UNATTACHED = "not attached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One network of a Pod. problem: what is wrong with it, in words; empty when nothing is."""

    namespace: str
    pod: str
    name: str
    network: str
    addresses: tuple[str, ...] = ()
    phase: str
    reason: str = ""
    problem: str = ""

    @property
    def broken(self) -> bool:
        """Whether it is to be drawn in red."""
        return self.phase != Phase.ATTACHED or bool(self.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The interfaces of one VLAN, by Pod. vlan: 0 for untagged, None where the network type knows no VLANs."""

    vlan: int | None
    interfaces: tuple[Interface, ...]

    @property
    def title(self) -> str:
        """The VLAN in words."""
        return "" if self.vlan is None else f"VLAN {self.vlan}" if self.vlan else "untagged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """A physical interface that joins a bridge to the wire."""

    name: str
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge, or what stands in its place: a network type without bridges, or what is attached nowhere.

    kind: `bridge`, `network type` or empty.
    """

    kind: str
    name: str
    uplinks: tuple[Uplink, ...] = ()
    segments: tuple[Segment, ...] = ()
    broken: bool = False

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A node's networks. health: one line for each thing that is wrong."""

    node: str
    bridges: tuple[Bridge, ...]
    health: tuple[str, ...]

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """All interfaces."""
        return tuple(item for bridge in self.bridges for segment in bridge.segments for item in segment.interfaces)

    @property
    def broken(self) -> bool:
        """Whether anything is drawn in red."""
        marks = (bridge.broken or any(uplink.broken for uplink in bridge.uplinks) for bridge in self.bridges)
        return bool(self.health) or any(marks) or any(item.broken for item in self.interfaces)

    @property
    def summary(self) -> str:
        """How much there is, in words."""
        bridges = sum(bridge.kind == "bridge" for bridge in self.bridges)
        vlans = sum(segment.vlan is not None for bridge in self.bridges for segment in bridge.segments)
        items = self.interfaces
        pods = len({(item.namespace, item.pod) for item in items})
        parts = [_count(bridges, "bridge"), _count(vlans, "VLAN"), _count(pods, "Pod"), _count(len(items), "interface")]
        return ", ".join([*parts, f"{sum(item.broken for item in items)} broken"])


def build(node: str, states: Iterable[NodeState], pods: Iterable[PodReport]) -> Topology:
    """The topology of a node from its reports; the same for the same reports."""
    states, pods = list(states), list(pods)
    places: dict[tuple[str, str], dict[int | None, list[Interface]]] = {}
    for pod in pods:
        for report in pod.networks or _nameless(pod):
            item = _interface(pod, report)
            places.setdefault(_place(report), {}).setdefault(report.vlan, []).append(item)
    uplinks = _uplinks(states)
    for name in uplinks:
        places.setdefault(("bridge", name), {})
    findings = [finding.message for state in states for finding in state.report.findings]
    bridges = tuple(
        _bridge(kind, name, uplinks.get(name, ()) if kind == "bridge" else (), segments, findings)
        for (kind, name), segments in sorted(places.items(), key=lambda item: _rank(*item[0]))
    )
    return Topology(node=node, bridges=bridges, health=tuple(_health(states, bridges)))


def _nameless(pod: PodReport) -> list[NetworkReport]:
    """A Pod whose request cannot even be read is shown by itself."""
    return [NetworkReport(network="", phase="Failed", error=pod.error)] if pod.error else []


def _place(report: NetworkReport) -> tuple[str, str]:
    bridge = report.details.get("bridge")
    if isinstance(bridge, str) and bridge:
        return ("bridge", bridge)
    if report.phase in (Phase.ATTACHED, "Degraded"):
        return ("network type", report.network_type)
    return ("", _UNATTACHED)


def _interface(pod: PodReport, report: NetworkReport) -> Interface:
    error: ErrorInfo | None = report.error or (pod.error if report.phase != Phase.ATTACHED else None)
    return Interface(
        namespace=pod.pod.namespace,
        pod=pod.pod.name,
        name=report.interface,
        network=report.network,
        addresses=report.addresses,
        phase=report.phase,
        reason=error.reason if error else "",
        problem=_line(str(error)) if error else "",
    )


def _uplinks(states: Iterable[NodeState]) -> dict[str, tuple[str, ...]]:
    """The uplinks of each bridge that a driver keeps."""
    found: dict[str, tuple[str, ...]] = {}
    for state in states:
        details: Mapping[str, Any] = state.report.details
        uplinks = details.get("uplinks")
        by_bridge = uplinks if isinstance(uplinks, Mapping) else {}
        for name in details.get("bridges") or ():
            found[str(name)] = tuple(map(str, by_bridge.get(name) or ()))
    return found


def _bridge(
    kind: str, name: str, uplinks: Iterable[str], segments: Mapping[int | None, list[Interface]], findings: list[str]
) -> Bridge:
    """What a finding names is broken; where it names an uplink, that and not the bridge."""
    marked = tuple(Uplink(name=uplink, broken=any(_names(text, uplink) for text in findings)) for uplink in uplinks)
    own = [text for text in findings if not any(_names(text, uplink.name) for uplink in marked)]
    order = sorted(segments, key=lambda vlan: -1 if vlan is None else vlan)
    return Bridge(
        kind=kind,
        name=name,
        uplinks=marked,
        segments=tuple(Segment(vlan=vlan, interfaces=tuple(sorted(segments[vlan], key=_order))) for vlan in order),
        broken=kind == "bridge" and any(_names(text, name) for text in own),
    )


def _health(states: Iterable[NodeState], bridges: Iterable[Bridge]) -> Iterator[str]:
    for state in states:
        if state.error is not None:
            yield _line(f"network type {state.network_type}: {state.error}")
        for finding in state.report.findings:
            yield _line(f"network type {state.network_type}: {finding.code}: {finding.message}")
    for bridge in bridges:
        for segment in bridge.segments:
            for item in segment.interfaces:
                if item.broken:
                    where = f"Pod {item.namespace}/{item.pod} {item.name or item.network}".strip()
                    yield f"{where}: {item.problem or item.phase}"


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _order(item: Interface) -> tuple[str, str, str]:
    return (item.namespace, item.pod, item.name)


def _rank(kind: str, name: str) -> tuple[int, str]:
    return (["bridge", "network type", ""].index(kind), name)


def _line(text: str) -> str:
    """The text on one line and without control characters: it may come from the author of a manifest."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
