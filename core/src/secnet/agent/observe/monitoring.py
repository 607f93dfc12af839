"""Where metrics and health look: at the running parts of one agent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from secnet.contract import Call, PoolUsage

from ..attach.node_state import NodeStateReconciler
from ..attach.plugin_calls import Plugins
from ..base.metrics import Sources
from ..cluster.interface import Cluster
from ..pods.controller import Controller
from ..preflight.antrea import AntreaGuard
from ..preflight.own_node import OwnNode
from ..state.journal import Journal
from ..state.reports import Reports
from ._plugin_metrics import plugin_metrics
from ._traffic import traffic_of
from .health import Heartbeats

__all__ = ["Monitoring"]

_POOL_SECONDS = 10.0


class Monitoring:
    """Looks and changes nothing; every method may be called from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        reports: Reports,
        controller: Controller,
        node: NodeStateReconciler,
        beats: Heartbeats,
        antrea: AntreaGuard,
        own_node: OwnNode,
        plugins: Plugins,
        chain_unready: Callable[[], str] = lambda: "",
        has_looked: Callable[[], bool] = lambda: True,
        resynced: Callable[[], float] = float,
    ) -> None:
        self._resynced = resynced
        self._cluster = cluster
        self._journal = journal
        self._reports = reports
        self._controller = controller
        self._node = node
        self._beats = beats
        self._antrea = antrea
        self._own_node = own_node
        self._plugins = plugins
        self._chain_unready = chain_unready
        self._has_looked = has_looked

    def sources(self) -> Sources:
        """What the metrics are collected from."""
        return Sources(
            records=self._journal.records,
            reports=self._reports.pods,
            queue_length=lambda: len(self._controller.queue),
            queue_age=self._controller.queue.age,
            plugins=lambda: plugin_metrics(self._plugins),
            traffic=lambda: traffic_of(self._plugins, self._journal.records()),
            node=self._node.states,
            problems=self._reports.problems,
            unready=self.unready,
            resynced=self._resynced,
            stuck_calls=lambda: [
                (each.kind, each.name, each.distribution, each.method) for each in self._plugins.calls.stuck()
            ],
            ipam_types=self._ipam_types,
            pool_usage=self._pool_usage,
        )

    def stuck(self) -> list[str]:
        """Why the agent is not alive any more: a thread of its own does not come round. A slow plugin is no reason."""
        return self._beats.late()

    def unready(self) -> Iterator[str]:
        """Why the agent cannot do its work now."""
        if not (self._controller.started and self._controller.recovered.is_set()):
            yield "recovery is not done yet"
        if reason := self._cluster.unreachable():
            yield reason
        if reason := self._cluster.unknown_kinds():
            yield reason
        elif not self._has_looked():
            yield "the pools have not been looked through yet"
        if reason := self._own_node.missing():
            yield reason
        if reason := self._antrea.refusal():
            yield reason
        if reason := self._chain_unready():
            yield reason
        of_node = list(self._node.unready())
        yield from of_node
        calls = self._plugins.calls
        for what, reason in calls.off().items():
            yield f"{what}: {reason}"
        for call in calls.stuck():
            if not any(str(call) in reason for reason in of_node):
                yield f"{call.what}: {call}"

    def _ipam_types(self) -> set[str]:
        return {record.ipam_type for record in self._journal.records() if record.ipam_type is not None}

    def _pool_usage(self, ipam_type: str, cancel: threading.Event) -> tuple[PoolUsage, ...]:
        requests = [r.ipam for r in self._journal.records() if r.ipam_type == ipam_type and r.ipam is not None]
        return self._plugins.backend(ipam_type).pool_usage(requests, Call.within(_POOL_SECONDS, cancel=cancel))
