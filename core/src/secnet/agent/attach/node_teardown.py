"""Removal of the per-node state of the drivers, before the agent leaves a node for good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import Call, ErrorInfo, NodeReport, SecnetError

from ..config.settings import Settings
from ..model.report import NodeState
from ..state.journal import Journal
from ..state.reports import Reports
from ._node_marks import NodeMarks
from .plugin_calls import Plugins

__all__ = ["NodeTeardown", "TornDown"]

_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TornDown:
    """removed: the steps that were done, in words. left: what stays, and why. error: what ended it early."""

    network_type: str
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    error: ErrorInfo | None = None


class NodeTeardown:
    """Calls every driver that may have per-node state. The caller holds the run directory: no agent works on this node."""

    def __init__(self, *, plugins: Plugins, settings: Settings, reports: Reports) -> None:
        self._plugins = plugins
        self._settings = settings
        self._reports = reports
        self._marks = NodeMarks(settings)

    def network_types(self) -> list[str]:
        """Those that had a section when an agent ran, and those of installed drivers that have one now."""
        configured = (name for name, section in self._settings.drivers.items() if section)
        return sorted({*self._marks.all(), *(name for name in configured if name in self._plugins.registry.drivers)})

    def attachments(self) -> Iterator[str]:
        """Every attachment that still exists, by the records and by what the drivers find on the host."""
        known = set()
        for record in Journal.peek(self._settings.run_dir / "journal"):
            known.add(record.key)
            yield f"{record.pod or record.key.container_id} {record.key.ifname} ({record.network_type})"
        for network_type in self.network_types():
            if network_type not in self._plugins.registry.drivers:
                continue
            for owned in self._plugins.driver(network_type).inventory(Call.within(_SECONDS)).owned:
                key, pod = owned.attachment.key, owned.attachment.request.pod
                if key not in known:
                    yield f"{pod or key.container_id} {key.ifname} ({network_type}), which has no record"

    def run(self) -> Iterator[TornDown]:
        """Tear down one after the other; a driver that fails stops no other. Attachments are the caller's to exclude."""
        for network_type in self.network_types():
            steps = _Steps()
            try:
                report = self._one(network_type, Call.within(_SECONDS, observers=(steps,)))
            except SecnetError as exc:
                yield TornDown(network_type=network_type, removed=tuple(steps.done), error=exc.info)
                continue
            left = tuple(f"{finding.code}: {finding.message}" for finding in report.findings)
            yield TornDown(network_type=network_type, removed=tuple(steps.done), left=left)

    def _one(self, network_type: str, call: Call) -> NodeReport:
        driver = self._plugins.driver(network_type)
        records = Journal.peek(self._settings.run_dir / "journal")
        call = call.about(tuple(r.attachment for r in records if r.network_type == network_type))
        driver.teardown_node(call)
        report = driver.reconcile_node({}, call)  # without a section it only removes: what it finds is what stays
        if report.settled:
            self._marks.clear(network_type)
        self._reports.write_node(NodeState(network_type=network_type, report=report))
        return report


class _Steps:
    """Writes down what was done; see StepObserver."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """Nothing is done yet."""

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """One change to the host."""
        self.done.append(" ".join([name, *(f"{key}={value}" for key, value in facts.items())]))
