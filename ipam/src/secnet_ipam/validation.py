"""Looking at IPPools without a cluster: each by itself, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from secnet.contract import ObjectFinding

from .entries import entry_findings
from .findings import PoolFinding
from .overlap import share_network
from .pool import KIND, Pool, read_spec
from .text import format_address

__all__ = ["is_pool", "validate_pool", "validate_pools"]

_GROUP = "crd.antrea.io/"


def is_pool(obj: Mapping[str, Any]) -> bool:
    """Whether an object claims to be an IPPool of Antrea's API group; other projects use the kind too."""
    return obj.get("kind") == KIND and str(obj.get("apiVersion", _GROUP)).startswith(_GROUP)


def validate_pool(obj: Mapping[str, Any]) -> list[PoolFinding]:
    """Everything that is wrong with one IPPool, its status included."""
    findings: list[PoolFinding] = []
    pool = read_spec(obj, findings.append)
    if pool is not None:
        findings.extend(_spec_advice(pool))
        findings.extend(entry_findings(obj, pool))
    return findings


def validate_pools(objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
    """What is wrong with the IPPools among `objects`, and which of them may give the same address twice (antrea#7306)."""
    pools: list[tuple[Mapping[str, Any], Pool]] = []
    for obj in filter(is_pool, objects):
        for finding in validate_pool(obj):
            yield obj, finding.path, finding.message, finding.hint
        pool = read_spec(obj, lambda finding: None)
        if pool is not None:
            pools.append((obj, pool))
    for (_, one), (obj, other) in combinations(pools, 2):
        if one.name != other.name and share_network(one, other) and one.ranges.overlaps(other.ranges):
            yield obj, _overlap_path(one, other), *_overlap_text(one, other)


def _spec_advice(pool: Pool) -> Iterator[PoolFinding]:
    if not pool.usable:
        message = "no address of this pool may be given: only gateway, network and broadcast address are in its ranges"
        yield PoolFinding(path="$.spec.ipRanges", message=message, hint="add a range with other addresses")


def _overlap_path(one: Pool, other: Pool) -> str:
    spans = enumerate(other.spans)
    index = next(i for i, (first, last) in spans if any(a <= last and first <= b for a, b in one.spans))
    return f"$.spec.ipRanges[{index}]"


def _overlap_text(one: Pool, other: Pool) -> tuple[str, str]:
    pairs = ((max(a, c), min(b, d)) for a, b in one.spans for c, d in other.spans)
    first, last = next((low, high) for low, high in pairs if low <= high)
    span = f"{format_address(one.family, first)} to {format_address(one.family, last)}"
    where = f"of VLAN {one.vlan}" if one.vlan else "that has no VLAN either"
    hint = "make the ranges disjoint"
    if not one.vlan:
        hint += ", or set vlan in both pools if the networks that use them are different VLANs"
    return f"{span} is also in IPPool {one.name} {where}", hint
