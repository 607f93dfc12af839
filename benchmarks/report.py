"""The report for people; the same numbers as in the JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .figures import ratio

__all__ = ["lines"]

_PARTS = (
    ("kernel: netlink and sysctl steps", ("veth.", "link.", "address.", "sysctl.", "route.")),
    ("OVS: port steps", ("port.",)),
    ("address pools: store and backend", ("ippool.", "ipam.")),
    ("journal", ("journal.",)),
    ("reading back (netlink, OVS)", ("driver.check", "layer3.check")),
    ("driver and layer 3 outside of steps", ("driver.", "layer3.")),
    ("pipeline", ("pipeline",)),
)
_OTHER = "other steps"


def lines(data: Mapping[str, Any]) -> Iterator[str]:
    """The whole report."""
    yield from _machine(data["machine"], data["not_measured"])
    yield from _one_by_one(data["one_by_one"])
    yield from _burst(data["burst"])
    yield from _ovs(data["ovs_part"])
    yield from _parts(data["parts"])
    yield from _agent(data["agent"], data["import"])
    yield from _goals(data["goals"])


def _machine(machine: Mapping[str, Any], not_measured: Sequence[str]) -> Iterator[str]:
    yield f"{machine['system']}, kernel {machine['kernel']}, {machine['cores']} cores, {machine['memory_mb']} MB"
    yield f"load average {machine['load_before']:.2f} before, {machine['load_after']:.2f} after"
    if machine["load_before"] >= machine["cores"] / 2:
        yield "BUSY: other programs had more than half of the machine at the start; measure again when it is quiet"
    yield ", ".join(f"{name} {version or 'missing'}" for name, version in machine["versions"].items())
    yield from (f"NOT MEASURED: {reason}" for reason in not_measured)


def _one_by_one(part: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nOne at a time, {part['rounds']} rounds in turns (ms)"
    rows = []
    for name in ("attach", "detach", "both"):
        rows.append([name, *_pair(part["ours"][name]), *_rival(part["ours"][name], part.get("cni", {}).get(name))])
    yield from _table(("", "ours p50", "p99", "CNI bridge+host-local p50", "p99", "ratio of p50"), rows)
    for who, label in (("ours", "ours"), ("cni", "CNI plugins")):
        if who in part:
            user, system = part[who]["cpu_user_ms"], part[who]["cpu_system_ms"]
            yield f"CPU time of attach+detach, mean: {label} {user:.1f} ms user, {system:.1f} ms system"
    if "cni" in part:
        strict = part["cni"]["both_without_waiting"]["p50_ms"]
        yield f"the plugin waited 50 ms or more for its port in {part['cni']['waiting_rounds']} of {part['rounds']} rounds;"
        yield f"both without these: p50 {strict:.1f} ms, ratio {ratio(part['ours']['both']['p50_ms'], strict):.2f}"
    if "cni_exec_floor" in part:
        yield f"execution of a CNI plugin that does nothing: {part['cni_exec_floor']['p50_ms']:.1f} ms"


def _burst(part: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nBurst of {part['pods']} Pods on {part['workers']} workers, median of {part['repeats']} (per second)"
    rows = []
    for name in ("attach", "detach"):
        mine, other = part["ours"][name]["per_second"], part.get("cni", {}).get(name, {}).get("per_second")
        rows.append(
            [name, f"{mine:.1f}", *(("-", "-") if other is None else (f"{other:.1f}", f"{ratio(mine, other):.2f}"))]
        )
    yield from _table(("", "ours", "CNI bridge+host-local", "ratio"), rows)
    for name in ("attach", "detach"):
        used = part["ours"][name]["cpu_ms"]
        yield f"CPU time of our {name}: {used['python']:.1f} ms this process, {used['ovs_vswitchd']:.1f} ms ovs-vswitchd"


def _ovs(part: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nThe OVS part only, {part['rounds']} rounds in turns (ms); unplug removes port and link"
    rows = []
    for name in ("plug", "unplug", "both"):
        rows.append([name, *_pair(part["ours"][name]), *_rival(part["ours"][name], part.get("os_vif", {}).get(name))])
    yield from _table(("", "ours p50", "p99", "os-vif p50", "p99", "ratio of p50"), rows)
    yield f"removal of our port without the link: {part['ours']['unplug_port']['p50_ms']:.1f} ms"


def _parts(part: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nWhere our time goes, medians of {part['rounds']} rounds (ms)"
    both = [grouped(part[name]) for name in ("attach", "detach")]
    labels = [label for label, _ in _PARTS] + [_OTHER]
    rows = [
        [label, *(f"{group.get(label, 0.0):.1f}" for group in both)]
        for label in labels
        if any(label in group for group in both)
    ]
    rows.append(["sum", *(f"{sum(group.values()):.1f}" for group in both)])
    yield from _table(("", "attach", "detach"), rows)
    for name in ("attach", "detach"):
        dearest = sorted(part[name].items(), key=lambda item: -item[1])[:8]
        yield f"{name}, the dearest: " + ", ".join(f"{span} {value:.1f}" for span, value in dearest)


def grouped(spans: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds by part of the system."""
    groups: defaultdict[str, float] = defaultdict(float)
    for span, value in spans.items():
        label = next((label for label, beginnings in _PARTS if span.startswith(beginnings)), _OTHER)
        groups[label] += value
    return dict(groups)


def _agent(agent: Mapping[str, Any], imports: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n`secnet agent` with {agent['attachments']} attachments from a manifest directory"
    yield (
        f"idle RSS {agent['idle_rss_mb']} MB ({agent['idle_anonymous_mb']} MB of it its own), peak {agent['peak_rss_mb']} MB, "
        f"{agent['threads']} threads, {agent['idle_cpu_percent']} % of a core when idle"
    )
    yield f"all attached {agent['all_attached_after_ms'] / 1000:.1f} s after its start"
    yield f"import of {imports['module']}: {imports['import_p50_ms']:.0f} ms (bare Python {imports['python_p50_ms']:.0f} ms)"


def _goals(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "\nGoals"
    words = {True: "reached", False: "MISSED", None: "not measured"}
    table = [
        [
            words[goal["reached"]],
            "-" if goal["value"] is None else f"{goal['value']:.2f}",
            f"{goal['relation']} {goal['limit']:g}",
            goal["what"],
        ]
        for goal in rows
    ]
    yield from _table(("", "value", "goal", "what"), table)


def _pair(part: Mapping[str, Any]) -> tuple[str, str]:
    return f"{part['p50_ms']:.1f}", f"{part['p99_ms']:.1f}"


def _rival(ours: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if theirs is None:
        return "-", "-", "-"
    return *_pair(theirs), f"{ratio(ours['p50_ms'], theirs['p50_ms']):.2f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
