"""How full an IPPool is: by the counters that it states, or else by its entries and ranges."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from secnet.contract import PoolUsage

__all__ = ["usage_of"]


def usage_of(pool: Mapping[str, Any]) -> PoolUsage:
    """The usage of one IPPool. Without counters in its status, its whole ranges count."""
    status, spec = pool.get("status") or {}, pool.get("spec") or {}
    stated = status.get("usage") or {}
    used = stated.get("used", len(status.get("ipAddresses") or ()))
    total = int(stated["total"]) if "total" in stated else _size(spec.get("ipRanges") or ())
    return PoolUsage(pool=pool["metadata"]["name"], used=int(used), total=total)


def _size(ranges: Iterable[Mapping[str, str]]) -> int | None:
    try:
        return sum(_span(item) for item in ranges) or None
    except (KeyError, ValueError):
        return None  # `secnet status` says what is wrong with a pool


def _span(item: Mapping[str, str]) -> int:
    if "cidr" in item:
        return ipaddress.ip_network(item["cidr"], strict=False).num_addresses
    return int(ipaddress.ip_address(item["end"])) - int(ipaddress.ip_address(item["start"])) + 1
