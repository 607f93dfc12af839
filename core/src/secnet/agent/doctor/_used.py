"""Which network types this cluster has networks of: a driver of another one lacks nothing that matters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from secnet.contract import SecnetError

from ..cluster.interface import ApiReader

__all__ = ["used_types"]


def used_types(api: ApiReader) -> frozenset[str] | None:
    """The network types that NADs name; None where they cannot be read. One GET."""
    try:
        found = api.get("/apis/k8s.cni.cncf.io/v1/network-attachment-definitions").get("items") or ()
    except SecnetError:
        return None  # what keeps them from being read is a result of its own
    return frozenset(name for nad in found for name in _types_of((nad.get("spec") or {}).get("config")))


def _types_of(text: Any) -> Iterator[str]:
    try:
        config = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return
    plugins = config.get("plugins") if isinstance(config, dict) else None
    for each in (config, *(plugins if isinstance(plugins, list) else ())):
        name = each.get("networkType") if isinstance(each, dict) else None
        if isinstance(name, str):
            yield name
