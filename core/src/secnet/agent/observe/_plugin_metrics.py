"""The metrics that plugins bring, read at each scrape."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from secnet.contract import METRIC_KINDS, Call, IPAMBackend, Metric, NetworkDriver, SecnetError

from ..attach.plugin_calls import Plugins

__all__ = ["plugin_metrics"]

_log = logging.getLogger(__name__)

_SCRAPE_SECONDS = 1.0
_NAME = re.compile("[a-z][a-z0-9_]*")


def plugin_metrics(plugins: Plugins) -> Iterator[tuple[str, Metric]]:
    """Each value with its whole name. A plugin that fails, or breaks the rules of names, loses its values and no other does."""
    drivers, backends = plugins.registry.drivers, plugins.registry.backends
    for name, driver in sorted(drivers.items()):
        if driver.cls.metrics is not NetworkDriver.metrics:
            yield from _of(f"network type {name}", f"secnet_{_plain(name)}", partial(_of_driver, plugins, name))
    for name, backend in sorted(backends.items()):
        if backend.cls.metrics is not IPAMBackend.metrics:
            yield from _of(f"IPAM type {name}", f"secnet_ipam_{_plain(name)}", partial(_of_backend, plugins, name))


def _of_driver(plugins: Plugins, name: str, call: Call) -> tuple[Metric, ...]:
    return plugins.driver(name).metrics(call)


def _of_backend(plugins: Plugins, name: str, call: Call) -> tuple[Metric, ...]:
    return plugins.backend(name).metrics(call)


def _of(what: str, prefix: str, ask: Callable[[Call], tuple[Any, ...]]) -> Iterator[tuple[str, Metric]]:
    try:
        found = ask(Call.within(_SCRAPE_SECONDS))
    except SecnetError as exc:
        _log.warning("%s gives no metrics: %s", what, exc)
        return
    for metric in found:
        if isinstance(metric, Metric) and _NAME.fullmatch(metric.name) and metric.kind in METRIC_KINDS:
            yield f"{prefix}_{metric.name}", metric
        else:
            _log.warning("%s gives a metric that is none: %r", what, metric)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]+", "_", name.lower())
