"""The agent as a whole: made from settings, a registry and a cluster; started, and stopped without a trace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from secnet.contract import SecnetError, StepObserver

from ..attach.node_watch import NodeWatch
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..cni.front import CniFront
from ..config.settings import CniSettings, Settings
from ..model.problem import Problem
from ..model.record import Record
from ..observe.health import serve_health
from ..observe.monitoring import Monitoring
from ..observe.readiness_log import ReadinessLog
from ..plugins.calls import PluginCalls
from ..plugins.registry import Registry
from ..preflight.startup_taint import StartupTaint
from ..state.run_dir import RunDirInUse, RunDirLock, bind_store
from ._background import Background
from ._network_types import describe_network_types
from ._node_events import record_on_node
from ._node_loops import NodeLoop, PreflightLoop
from ._poll_loop import PollLoop
from ._problems import ErrorProblem, ProblemReport
from ._resync_loop import ResyncLoop
from ._run_dir_keeper import RunDirKeeper
from ._wiring import wire
from .metrics import make_metrics

__all__ = ["NOT_CHAINED", "Agent"]

_log = logging.getLogger(__name__)

_FIRST_ROUND_SECONDS = 5.0
NOT_CHAINED = "PluginNotChained"
"""The reason of the Node's Event."""


class Agent:
    """One reconciler of this node's secondary networks, alone on its run directory.

    role: what this process is called to others that find the run directory taken, such as `secnet agent`.
    wait: see `RunDirLock.acquire`.
    observers: see every step of every plugin and of the core; tests inject faults here.
    metrics: None to keep none, and to serve no HTTP.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        cluster: Cluster,
        *,
        role: str,
        wait: Callable[[RunDirInUse], bool] = lambda exc: False,
        observers: tuple[StepObserver, ...] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._cluster = cluster
        self._role = role
        self._wait = wait
        self._calls = PluginCalls()
        self._observers = (*observers, self._calls)
        self._lock = RunDirLock(settings.run_dir)
        self._drained = True
        self._metrics, self._serves = metrics or make_metrics(False), metrics is not None
        self._background = Background(self._observers)
        self._front: CniFront | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Agent:
        """Take the run directory, make per-node state, recover, and serve. Raises RunDirInUse if it is taken."""
        with ExitStack() as stack:
            self._lock.acquire(self._role, self._wait)
            stack.callback(self._release)
            bind_store(self._settings.run_dir, self._settings.state_dir)
            self._build(stack)
            self._first_rounds(stack)
            watch = NodeWatch(self._components.plugins, self._node_loop.wake)
            watch.start()
            stack.callback(watch.close)
            self._components.controller.start()
            stack.callback(self._stop_controller)
            self._start_front(stack)
            self._spawn_loops(stack)
            stack.callback(self._end)
            self._exit = stack.pop_all()
        _log.info("started: node %s, network types %s", self._settings.node_name, self.network_types())
        self._background.guard(self._readiness.note, default=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let running work finish, undo what does not, and leave every living attachment as it is."""
        self._exit.close()

    def network_types(self) -> str:
        """See `describe_network_types`."""
        return describe_network_types(self._registry, self._components.plugins, self._settings)

    def _build(self, stack: ExitStack) -> None:
        settings = self._settings
        components = wire(settings, self._registry, self._cluster, self._metrics, self._observers, stack, self._calls)
        self._components = components
        self._node_loop = NodeLoop(self._background, components.node, settings.check_interval)
        watched = Monitoring(
            self._cluster,
            components.journal,
            components.reports,
            components.controller,
            components.node,
            self._background.beats,
            components.antrea,
            components.own_node,
            components.plugins,
            self._chain_unready,
            lambda: self._cluster.traits.free_reads or components.lease_rounds.begun,
        )
        self._startup_taint = StartupTaint(
            self._cluster, settings.node_name, ready=lambda: not any(True for _ in watched.unready())
        )
        parts = (
            self._cluster,
            components.antrea,
            components.own_node,
            self._startup_taint,
            components.multus,
            components.object_problems,
            components.stuck_calls,
        )
        chain = ErrorProblem(
            "CNI plugin", lambda: None if self._front is None else self._front.error, self._record_not_chained
        )
        self._problems = ProblemReport(components.reports, [part.problems for part in (*parts, chain)])
        self._readiness = ReadinessLog(watched.unready, self._settings.node_name)
        components.journal.notify_removed(self._on_removed)
        self._metrics.observe(watched.sources())
        listen = settings.http_listen if self._serves else None
        stack.callback(serve_health(listen, self._metrics, stuck=watched.stuck, unready=watched.unready))

    def _record_not_chained(self, problem: Problem) -> None:
        record_on_node(self._cluster, self._settings.node_name, NOT_CHAINED, str(problem))

    def _first_rounds(self, stack: ExitStack) -> None:
        """Usually a moment; a driver or an API server that hangs there delays no other work for long."""
        components = self._components
        first = [self._node_loop.first_round]
        self._background.spawn("node_loop", self._node_loop.run, stack)
        if components.antrea.needed:
            looks = (components.antrea.look, components.own_node.look)
            preflight = PreflightLoop(self._background, looks, self._settings.check_interval)
            first.append(preflight.first_round)
            self._background.spawn("preflight_loop", preflight.run, stack)
            stack.callback(components.antrea.close)
        stack.callback(self._end)
        until = time.monotonic() + _FIRST_ROUND_SECONDS
        for done in first:
            done.wait(max(0.0, until - time.monotonic()))

    def _spawn_loops(self, stack: ExitStack) -> None:
        """What runs in the background once everything else does."""
        background, components, traits = self._background, self._components, self._cluster.traits
        keeper = RunDirKeeper(self._settings, self._lock, self._role, components.journal)
        notes = (components.stuck_calls.note, self._problems.note, self._readiness.note, keeper.keep)
        poll = PollLoop(background, components.controller, self._settings, traits, notes)
        resync = ResyncLoop(background, components, self._settings, self._registry, traits)
        background.spawn("poll_loop", poll.run, stack)
        background.spawn("resync_loop", resync.run, stack)
        if self._front is not None:
            background.spawn("front_loop", partial(self._run_front, self._front), stack)
        if traits.shared:  # it ends some minutes after the agent is ready
            taint = self._startup_taint
            background.spawn(
                "startup_taint_loop", lambda: background.guard(lambda: taint.run(background.stop), default=None), stack
            )

    def _run_front(self, front: CniFront) -> None:
        """Until the agent stops. It returns sooner only if it fails."""
        background = self._background
        while not background.stop.is_set():
            background.guard(
                lambda: front.run(background.stop, lambda: background.beats.beat("front_loop", 300)), default=None
            )

    def _chain_unready(self) -> str:
        """Why Pods that start now would not wait for their networks although they shall."""
        if self._front is not None:
            return self._front.unready()
        return "" if self._settings.cni is None else "the CNI plugin is not served yet"

    def _on_removed(self, record: Record) -> None:
        """Per-node state may have waited for this attachment to go."""
        if not self._components.node.is_settled(record.network_type):
            self._node_loop.wake()

    def _end(self) -> None:
        """Wake every loop for the last time."""
        self._background.stop.set()
        self._node_loop.wake()
        if self._front is not None:
            self._front.wake()

    def _release(self) -> None:
        """Let others reconcile, unless work of ours is still under way: then the end of this process lets them."""
        if self._drained:
            self._lock.release()

    def _start_front(self, stack: ExitStack) -> None:
        """Without the section `cni` for teardown only: of one network only its caller knows that it ended."""
        cni, teardown_only = self._settings.cni, False
        if cni is None and (self._settings.kubernetes is not None or self._components.journal.of_cni()):
            cni, teardown_only = CniSettings(socket=self._settings.run_dir / "cni.sock"), True
        if cni is None:
            return
        try:
            front = CniFront(
                cni,
                self._components.attacher,
                run_dir=self._settings.run_dir,
                ready_timeout=self._settings.attach_timeout,
                metrics=self._metrics,
                multus=self._components.multus,
                teardown_only=teardown_only,
                read_elsewhere=self._components.read_elsewhere,
            )
        except SecnetError as exc:
            if not teardown_only:
                raise
            _log.warning("what the CNI plugin made cannot be ended by its callers: %s", exc)
            return
        self._front = front
        stack.callback(self._stop_front)
        front.start()

    def _stop_controller(self) -> None:
        if not self._components.controller.stop(self._settings.drain_seconds):
            self._drained = False
        if not self._drained:
            _log.warning("some work did not end in time; the next start finishes or undoes it from the journal")

    def _stop_front(self) -> None:
        assert self._front is not None
        if not self._front.close(self._settings.drain_seconds):
            self._drained = False
