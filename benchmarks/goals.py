"""What is to be reached, and whether it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .figures import ratio

__all__ = ["goals"]

_MOST_OF_PLUGINS = 1.0
_BURST_OF_PLUGINS = 2.0
_IDLE_RSS_MB = 60.0


def goals(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal with its value. `reached` is None where nothing was measured to compare with."""
    single, burst, agent = data["one_by_one"], data["burst"], data["agent"]
    single_ratio = burst_ratio = None
    if "cni" in single:
        single_ratio = ratio(single["ours"]["both"]["p50_ms"], single["cni"]["both"]["p50_ms"])
    if "cni" in burst:
        burst_ratio = ratio(burst["ours"]["attach"]["per_second"], burst["cni"]["attach"]["per_second"])
    rss = agent["idle_rss_mb"]
    return [
        _goal("attach+detach p50, one at a time, ours / CNI plugins", "<=", _MOST_OF_PLUGINS, single_ratio),
        _goal("attach rate in a burst, ours / CNI plugins", ">=", _BURST_OF_PLUGINS, burst_ratio),
        _goal(f"RSS of the idle agent with {agent['attachments']} attachments, MB", "<=", _IDLE_RSS_MB, rss),
    ]


def _goal(what: str, relation: str, limit: float, value: float | None) -> dict[str, Any]:
    reached = None if value is None else value <= limit if relation == "<=" else value >= limit
    return {"what": what, "relation": relation, "limit": limit, "value": value, "reached": reached}
