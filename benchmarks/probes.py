"""Where the time of one attachment goes: spans around the pipeline's calls and, inside them, around each step.

The pipeline takes its journal, plugins and layer-3 step as arguments; here it gets ones that write down when they begin and end.
A span's own time is its time without the spans inside it, so the own times of all spans add up to the whole.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from secnet.agent.attach.layer3 import Layer3
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.cluster.interface import Cluster
from secnet.agent.config.settings import Settings
from secnet.agent.model.record import Record
from secnet.agent.plugins.registry import Registry
from secnet.agent.state.journal import Journal
from secnet.contract import AttachmentId, Call, Finding, IPAMBackend, NetworkDriver

__all__ = ["ProbedJournal", "ProbedLayer3", "ProbedPlugins", "Probes"]


class Probes:
    """Collects own times by span, for one thread. A `StepObserver` as well: a step is a span."""

    def __init__(self) -> None:
        self._open: list[tuple[str, float, float]] = []
        self._own: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        self._begin(name)
        try:
            yield
        finally:
            self._end()

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """See `StepObserver`."""
        self._begin(name)

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """See `StepObserver`."""
        self._end()

    def take(self) -> dict[str, float]:
        """Own seconds by span since the last call; spans of one name are added up."""
        taken, self._own = dict(self._own), defaultdict(float)
        return taken

    def _begin(self, name: str) -> None:
        self._open.append((name, time.perf_counter(), 0.0))

    def _end(self) -> None:
        name, start, inside = self._open.pop()
        whole = time.perf_counter() - start
        self._own[name] += whole - inside
        if self._open:
            outer, began, within = self._open[-1]
            self._open[-1] = (outer, began, within + whole)


class ProbedPlugins(Plugins):
    """Each method of the driver and the backend is a span: `driver.plan`, `ipam.allocate`."""

    def __init__(self, registry: Registry, settings: Settings, objects: Cluster, probes: Probes) -> None:
        super().__init__(registry, settings, objects)
        self._probes = probes

    def driver(self, network_type: str) -> NetworkDriver:
        """See `Plugins`."""
        return cast(NetworkDriver, _Spanned(super().driver(network_type), "driver", self._probes))

    def backend(self, ipam_type: str) -> IPAMBackend:
        """See `Plugins`."""
        return cast(IPAMBackend, _Spanned(super().backend(ipam_type), "ipam", self._probes))


class _Spanned:
    """A plugin whose every method is a span."""

    def __init__(self, plugin: NetworkDriver | IPAMBackend, prefix: str, probes: Probes) -> None:
        self._plugin = plugin
        self._prefix = prefix
        self._probes = probes

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with self._probes.span(f"{self._prefix}.{method}"):
                return getattr(self._plugin, method)(*args)

        return run


class ProbedJournal(Journal):
    """Writing is a step already; looking for the holder of a lock and reading are not."""

    def __init__(self, directory: Path, probes: Probes) -> None:
        super().__init__(directory)
        self._probes = probes

    def holder(self, locks: tuple[str, ...], besides: AttachmentId) -> Record | None:
        """See `Journal`."""
        with self._probes.span("journal.holder"):
            return super().holder(locks, besides)


class ProbedLayer3(Layer3):
    """Each method is a span: `layer3.apply`."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes

    def prior(self, record: Record) -> Mapping[str, Any]:
        """See `Layer3`."""
        with self._probes.span("layer3.prior"):
            return super().prior(record)

    def apply(self, record: Record, call: Call) -> None:
        """See `Layer3`."""
        with self._probes.span("layer3.apply"):
            super().apply(record, call)

    def check(self, record: Record, call: Call) -> tuple[Finding, ...]:
        """See `Layer3`."""
        with self._probes.span("layer3.check"):
            return super().check(record, call)

    def restore(self, record: Record, call: Call) -> None:
        """See `Layer3`."""
        with self._probes.span("layer3.restore"):
            super().restore(record, call)
