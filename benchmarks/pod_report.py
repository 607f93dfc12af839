"""What `make bench-pods` prints: each figure as the median of the rounds, with the least and the largest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

__all__ = ["report", "too_busy"]

_MOST_REQUESTS = 6.0
_MOST_PLUGIN_MS = 5.0
_BUSY = 0.5
_HEAD = (
    f"{'':<22}{'per Pod, s':>20}{'all Ready, s':>20}{'ratio to none':>20}{'RSS, MB':>9}{'CPU, ms':>9}{'requests':>10}"
)

Row = Mapping[str, Any]


def report(data: Mapping[str, Any]) -> str:
    """The report as text. Figures of agents are per Pod, except for memory, which is that of the larger one."""
    rows: list[Row] = data["bursts"]
    lines = [
        *_machine(data),
        "",
        "median [least - largest] of the rounds; agents: the larger one's memory, CPU time per Pod",
    ]
    for count in sorted({row["pods"] for row in rows}):
        lines += ["", f"{count} Pods at once on two nodes", _HEAD]
        for rival in dict.fromkeys(row["rival"] for row in rows):
            lines.append(f"  {rival}")
            lines += _rival([row for row in rows if (row["rival"], row["pods"]) == (rival, count)])
    return "\n".join([*lines, "", *_requests(rows), *_plugin(data["plugin"]), *_idle(data["idle"]), *_left_out(data)])


def too_busy(data: Mapping[str, Any]) -> list[str]:
    """Why the figures do not count; empty if they do.

    The load after the run is the benchmark's own for the most part: it is reported, and not judged.
    """
    load, cores = data["machine"]["load_before"], data["machine"]["cores"]
    reasons = []
    if load > cores / 2:
        reasons.append(f"the load before was {load:.1f} on {cores} cores")
    disturbed = [row for row in data["bursts"] if row["busy"] > _BUSY]
    if disturbed:
        share = f"{len(disturbed)} of {len(data['bursts'])} bursts"
        reasons.append(f"before {share} the machine was busy with more than {_BUSY:.0%} of its time")
    return reasons


def _machine(data: Mapping[str, Any]) -> Iterable[str]:
    before, after = data["machine"], data["machine_after"]
    yield f"{before['cpu']}, {before['cores']} cores, {before['memory_mb']} MB; Kubernetes {data['kubernetes']}"
    yield f"load {before['load_before']:.1f} before, {after['load_before']:.1f} after"
    if data["quick"]:
        yield "A QUICK RUN: these figures mean nothing."
    if reasons := too_busy(data):
        yield f"TOO BUSY TO COUNT: {'; '.join(reasons)}."


def _rival(rows: Sequence[Row]) -> Iterable[str]:
    plain = {row["round"]: median(row["ready"]) for row in rows if row["networks"] == "none"}
    for kind, label in (("none", "no networks"), ("one", "one network"), ("two", "two networks")):
        own = [row for row in rows if row["networks"] == kind]
        ratios = [median(row["ready"]) / plain[row["round"]] for row in own]
        cells = [
            _spread([median(row["ready"]) for row in own]),
            _spread([row["whole"] for row in own]),
            _spread(ratios),
        ]
        yield f"    {label:<18}" + "".join(f"{cell:>20}" for cell in cells) + _agents(own)


def _agents(rows: Sequence[Row]) -> str:
    if not any(row["rss"] for row in rows):
        return ""
    memory = median(max(row["rss"].values()) for row in rows)
    cpu = median(1000 * sum(row["cpu"].values()) / row["pods"] for row in rows)
    return f"{memory:>9.1f}{cpu:>9.1f}{median(_per_pod(row) for row in rows):>10.2f}"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} [{min(values):.2f} - {max(values):.2f}]"


def _per_pod(row: Row) -> float:
    return float(sum(row["requests"].values())) / int(row["pods"])


def _requests(rows: Sequence[Row]) -> Iterable[str]:
    """The requests of an attach of one network: the worst round of each rival, request by request."""
    for rival in dict.fromkeys(row["rival"] for row in rows if row["rss"]):
        own = [row for row in rows if row["rival"] == rival and row["networks"] == "one"]
        worst = max(own, key=_per_pod)
        parts = Counter[str](worst["requests"]).most_common()
        counted = ", ".join(f"{number / worst['pods']:.2f} {words}" for words, number in parts)
        yield (
            f"requests for an attach of one network, {rival}: {_per_pod(worst):.2f} in the worst round of "
            f"{worst['pods']} Pods{_goal(_per_pod(worst), _MOST_REQUESTS)}: {counted}"
        )


def _plugin(plugin: Mapping[str, Any]) -> Iterable[str]:
    for label, key in (("a few annotations", "small"), ("256 KiB of annotations", "large")):
        took = plugin[key]
        yield (
            f"the chained plugin for an ordinary Pod, {label}: {took['p50_ms']:.2f} ms (at most {took['max_ms']:.2f}, "
            f"CPU {took['cpu_p50_ms']:.2f}){_goal(took['p50_ms'], _MOST_PLUGIN_MS)}"
        )
    yield f"its calls of the agent for all of them: {plugin['calls']}{_goal(plugin['calls'], 0)}"


def _idle(idle: Mapping[str, Any]) -> Iterable[str]:
    for node, memory in idle["rss_mb"].items():
        yield (
            f"idle agent of {node}, {idle['pods']} Pods with one network on two nodes: {memory:.1f} MB, "
            f"{idle['cpu_percent'][node]:.2f} % of a core"
        )


def _left_out(data: Mapping[str, Any]) -> Iterable[str]:
    return [f"not measured: {what}" for what in data["not_measured"]]


def _goal(value: float, most: float) -> str:
    return f"; the goal is at most {most:g}: {'reached' if value <= most else 'MISSED'}"
