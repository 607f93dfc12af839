"""Per-node state (bridges, uplinks) of every driver, made at start and kept true."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from functools import partial

from secnet.contract import Call, Cancelled, ComponentState, ErrorInfo, NodeObservation, SecnetError

from ..config.settings import Settings
from ..model.report import NodeState
from ..state.journal import Journal
from ..state.reports import Reports
from ._node_marks import NodeMarks
from .cut_off import CutOffInterfaces
from .node_news import NodeNews
from .plugin_calls import Plugins

__all__ = ["NodeStateReconciler"]

_log = logging.getLogger(__name__)


class _Round(Enum):
    """How a driver's part of a round ended. AGAIN: it is to look again soon."""

    DONE = auto()
    AGAIN = auto()
    CANCELLED = auto()


class NodeStateReconciler:
    """Runs `reconcile_node` of all drivers, side by side: one that fails or takes long does not stop the others.

    on_better: called with the network type when new attachments may succeed that failed before. cut_off: takes what each driver
    sees. news: says what changed.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        settings: Settings,
        journal: Journal,
        reports: Reports,
        on_better: Callable[[str], None],
        cut_off: CutOffInterfaces | None = None,
        news: NodeNews | None = None,
    ) -> None:
        self._plugins = plugins
        self._settings = settings
        self._journal = journal
        self._reports = reports
        self._on_better = on_better
        self._cut_off = cut_off or CutOffInterfaces(lambda keys: None)
        self._news = news or NodeNews()
        self._marks = NodeMarks(settings)
        self._states: dict[str, NodeState] = {}

    def reconcile(self, call: Call) -> bool:
        """One round; True when every driver that can work here has its per-node state as configured, and none is to look again.

        It lasts as long as the slowest driver, and a little longer than `call` at most.
        """
        network_types = sorted(self._plugins.registry.drivers)
        rounds: list[_Round] = []
        if network_types:
            with ThreadPoolExecutor(len(network_types), thread_name_prefix="node") as pool:
                rounds = list(pool.map(partial(self._round, call=call), network_types))
        settled = all(state.error is None and state.report.settled for state in self._states.values())
        return settled and all(each is _Round.DONE for each in rounds)

    def _round(self, network_type: str, call: Call) -> _Round:
        """One driver's part of a round."""
        before = self._states.get(network_type)
        try:
            state = self._one(network_type, call)
        except Cancelled:  # the agent ends: what was found before still holds
            return _Round.CANCELLED
        again = self._cut_off.note(network_type, state.observation)
        if state != before:
            self._states[network_type] = state
            self._reports.write_node(state)
            self._news.tell(before, state)
            if before is None or _is_better(before, state):
                self._on_better(network_type)
        return _Round.AGAIN if again else _Round.DONE

    def states(self) -> tuple[NodeState, ...]:
        """What the last round gave, by network type."""
        return tuple(state for _, state in sorted(dict(self._states).items()))

    def is_settled(self, network_type: str) -> bool:
        """Whether the last round left nothing to do; False for a type that had none yet."""
        state = self._states.get(network_type)
        return state is not None and state.error is None and state.report.settled

    def unready(self) -> list[str]:
        """Why the drivers cannot work on this node; one sentence each. Advisory findings are left out."""
        states = dict(sorted(self._states.copy().items()))
        missing = sorted(self._plugins.registry.drivers.keys() - states.keys())
        if missing:
            return [f"the per-node state of network type {', '.join(missing)} is not made yet"]
        reasons = [f"network type {name}: {state.error}" for name, state in states.items() if state.error is not None]
        for name, state in states.items():
            grave = (finding for finding in state.report.findings if not finding.advisory)
            reasons += [f"network type {name}: {finding.code}: {finding.message}" for finding in grave]
        return reasons

    def _one(self, network_type: str, call: Call) -> NodeState:
        try:
            desired = self._settings.drivers.get(network_type, {})
            if desired:
                self._marks.set(network_type)
            elif not self._has_work(network_type):
                return NodeState(network_type=network_type)
            call = call.about(tuple(r.attachment for r in self._journal.records() if r.network_type == network_type))
            report = self._plugins.driver(network_type).reconcile_node(desired, call)
            if report.settled and not desired:
                self._marks.clear(network_type)
            return NodeState(network_type=network_type, report=report, observation=self._observe(network_type, call))
        except Cancelled:
            raise
        except SecnetError as exc:
            return NodeState(network_type=network_type, error=exc.info, observation=self._observe(network_type, call))
        except Exception as exc:
            _log.exception("the per-node state of network type %s failed by a fault of the agent itself", network_type)
            return NodeState(
                network_type=network_type, error=ErrorInfo(reason="InternalError", message=repr(exc), retryable=True)
            )

    def _observe(self, network_type: str, call: Call) -> NodeObservation:
        """What the driver sees of its part of the node; nothing if it cannot look, which makes no node unready."""
        try:
            return self._plugins.driver(network_type).observe_node(call)
        except Cancelled:
            raise
        except SecnetError as exc:
            _log.debug("network type %s: the node cannot be observed: %s", network_type, exc)
            return NodeObservation()

    def _has_work(self, network_type: str) -> bool:
        """Whether a driver without a section is to be called: it may have something to remove, or it can work here.

        A probe may be not ready just because nothing is configured, so it says nothing about what is left of before.
        """
        return self._marks.has(network_type) or self._plugins.driver(network_type).probe().ready


def _is_better(before: NodeState, now: NodeState) -> bool:
    """Whether an error or a finding ended, or something attachments stand on came up.

    A finding whose text alone changed, such as the number of Pods that a bridge still has, helps no Pod that waits.
    """
    if before.error is not None and before.error != now.error:
        return True
    if now.error is None and Counter(_codes(before)) - Counter(_codes(now)):
        return True
    return bool(_working(now) - _working(before))


def _codes(state: NodeState) -> list[str]:
    return [finding.code for finding in state.report.findings]


def _working(state: NodeState) -> set[tuple[str, str]]:
    components = state.observation.components
    return {(each.kind, each.name) for each in components if each.state is not ComponentState.DOWN}
