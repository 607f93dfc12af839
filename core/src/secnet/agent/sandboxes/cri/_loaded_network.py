"""The CNI configuration that a runtime has loaded, from its verbose status.

The CRI leaves that status to each runtime. containerd answers with a key `cniconfig`: a JSON object with the directory that it
reads and the networks that it found there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LoadedNetwork", "loaded_network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedNetwork:
    """conf_dir: by its path on the host. types: of the plugins of all networks that Pods get."""

    conf_dir: str
    types: frozenset[str]


def loaded_network(info: Mapping[str, str]) -> LoadedNetwork | None:
    """None where the answer does not say, or has another shape."""
    try:
        content = json.loads(info.get("cniconfig") or "null")
    except (ValueError, RecursionError):
        return None
    conf_dir = content.get("PluginConfDir") if isinstance(content, Mapping) else None
    if not isinstance(conf_dir, str) or not isinstance(content.get("Networks"), list):
        return None
    return LoadedNetwork(conf_dir=conf_dir, types=frozenset(_types(content["Networks"])))


def _types(networks: list[Any]) -> Iterator[str]:
    for network in networks:
        config = network.get("Config") if isinstance(network, Mapping) else None
        plugins = config.get("Plugins") if isinstance(config, Mapping) else None
        for plugin in plugins if isinstance(plugins, list) else ():
            inner = plugin.get("Network") if isinstance(plugin, Mapping) else None
            kind = inner.get("type") if isinstance(inner, Mapping) else None
            if isinstance(kind, str):
                yield kind
