"""Which network types an agent has, in one line for its log and for people."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from secnet.contract import SecnetError

from ..attach.plugin_calls import Plugins
from ..config.settings import Settings
from ..plugins.registry import Registry

__all__ = ["describe_network_types"]

_log = logging.getLogger(__name__)


def describe_network_types(registry: Registry, plugins: Plugins, settings: Settings) -> str:
    """The network types that can work here, and with the reason those that are configured and cannot.

    Their probes run side by side: it takes as long as the slowest.
    """
    names = sorted(registry.drivers)
    with ThreadPoolExecutor(len(names) or 1) as pool:
        return ", ".join(filter(None, pool.map(partial(_describe, plugins=plugins, settings=settings), names)))


def _describe(network_type: str, plugins: Plugins, settings: Settings) -> str:
    """Empty for one that no one asked for: an image has the drivers of many kinds of nodes."""
    try:
        probe = plugins.driver(network_type).probe()
    except SecnetError as exc:
        return f"{network_type} (broken: {exc})"
    if probe.ready or settings.drivers.get(network_type):
        return network_type if probe.ready else f"{network_type} (not ready: {probe.message})"
    _log.debug("network type %s is not configured and not ready: %s", network_type, probe.message)
    return ""
