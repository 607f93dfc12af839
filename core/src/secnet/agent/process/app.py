"""The agent as a whole: made from settings, a registry and a cluster; started, and stopped without a trace."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

from secnet.contract import Call, SecnetError, StepObserver

from ..attach.node_watch import NodeWatch
from ..base.backoff import Backoff
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..cni.front import CniFront
from ..config.settings import CniSettings, Settings
from ..model.problem import Problem
from ..model.record import Record
from ..observe.health import Heartbeats, serve_health
from ..observe.monitoring import Monitoring
from ..observe.readiness_log import ReadinessLog
from ..plugins.registry import Registry
from ..preflight.startup_taint import StartupTaint
from ..state.run_dir import RunDirInUse, RunDirLock, bind_store
from ._problems import ErrorProblem, ProblemReport
from ._wiring import wire
from .metrics import make_metrics

__all__ = ["NOT_CHAINED", "Agent"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_POLL_SECONDS = 0.5
_POLL_RUNTIME_SECONDS = 1.0
_POLL_WHEN_CHAINED_SECONDS = 2.0  # CNI calls register new sandboxes; what is left are those that die
_POLL_WHEN_SETTLED_SECONDS = 5.0
_NODE_RETRY_SECONDS = (1.0, 15.0)
_NODE_TIMEOUT_SECONDS = 20.0
_NODE_EVENTS_SECONDS = 0.2  # events that follow each other closely are one
_UNDO_SECONDS = 30.0
_FIRST_ROUND_SECONDS = 5.0
_JOIN_SECONDS = 5.0
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
        self._observers = observers
        self._lock = RunDirLock(settings.run_dir)
        self._drained = True
        self._metrics, self._serves = metrics or make_metrics(False), metrics is not None
        self._beats = Heartbeats()
        self._stop = threading.Event()
        self._node_wake = threading.Event()
        self._first_round = threading.Event()
        self._first_look = threading.Event()
        self._front: CniFront | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Agent:
        """Take the run directory, make per-node state, recover, and serve. Raises RunDirInUse if it is taken."""
        with ExitStack() as stack:
            self._lock.acquire(self._role, self._wait)
            stack.callback(self._release)
            bind_store(self._settings.run_dir, self._settings.state_dir)
            self._build(stack)
            self._spawn(self._node_loop, stack)
            if self._components.antrea.needed:
                self._spawn(self._preflight_loop, stack)
                stack.callback(self._components.antrea.close)
            stack.callback(self._end)
            self._wait_first_rounds()
            watch = NodeWatch(self._components.plugins, self._node_wake.set)
            watch.start()
            stack.callback(watch.close)
            self._components.controller.start()
            stack.callback(self._stop_controller)
            self._start_front(stack)
            for target in self._loops():
                self._spawn(target, stack)
            stack.callback(self._end)
            self._exit = stack.pop_all()
        _log.info("started: node %s, network types %s", self._settings.node_name, self.network_types())
        self._guard(self._readiness.note, default=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let running work finish, undo what does not, and leave every living attachment as it is."""
        self._exit.close()

    def network_types(self) -> str:
        """The network types that can work here, and with the reason those that are configured and cannot."""
        return ", ".join(filter(None, map(self._state, sorted(self._registry.drivers))))

    def _state(self, network_type: str) -> str:
        """Empty for one that no one asked for: an image has the drivers of many kinds of nodes."""
        try:
            probe = self._components.plugins.driver(network_type).probe()
        except SecnetError as exc:
            return f"{network_type} (broken: {exc})"
        if probe.ready or self._settings.drivers.get(network_type):
            return network_type if probe.ready else f"{network_type} (not ready: {probe.message})"
        _log.debug("network type %s is not configured and not ready: %s", network_type, probe.message)
        return ""

    def _build(self, stack: ExitStack) -> None:
        settings = self._settings
        components = wire(settings, self._registry, self._cluster, self._metrics, self._observers, stack)
        self._components = components
        watched = Monitoring(
            self._cluster,
            components.journal,
            components.reports,
            components.controller,
            components.node,
            self._beats,
            components.antrea,
            components.own_node,
            settings,
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
        """On the Node. Its Events are found by its name in place of the uid, as the kubelet writes it."""
        name = self._settings.node_name
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}}
        self._cluster.record_event(node, warning=True, reason=NOT_CHAINED, message=str(problem))

    def _loops(self) -> Iterator[Callable[[], None]]:
        """What runs in the background once everything else does."""
        yield self._poll_loop
        yield self._resync_loop
        if self._front is not None:
            yield self._front_loop
        if self._cluster.traits.shared:
            yield self._startup_taint_loop

    def _chain_unready(self) -> str:
        """Why Pods that start now would not wait for their networks although they shall."""
        if self._front is not None:
            return self._front.unready()
        return "" if self._settings.cni is None else "the CNI plugin is not served yet"

    def _on_removed(self, record: Record) -> None:
        """Per-node state may have waited for this attachment to go."""
        if not self._components.node.is_settled(record.network_type):
            self._node_wake.set()

    def _spawn(self, target: Callable[[], None], stack: ExitStack) -> None:
        thread = threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True)
        thread.start()
        stack.callback(thread.join, _JOIN_SECONDS)

    def _end(self) -> None:
        """Wake every loop for the last time."""
        self._stop.set()
        self._node_wake.set()
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

    def _call(self, seconds: float) -> Call:
        return Call.within(seconds, cancel=self._stop, observers=self._observers)

    def _wait_first_rounds(self) -> None:
        """Usually a moment; a driver or an API server that hangs there delays no other work for long."""
        until = time.monotonic() + _FIRST_ROUND_SECONDS
        for done in (self._first_round, self._first_look) if self._components.antrea.needed else (self._first_round,):
            done.wait(max(0.0, until - time.monotonic()))

    def _preflight_loop(self) -> None:
        """For an Antrea agent that we must not work beside, and for the Node that we are named after."""
        backoff = Backoff(*_NODE_RETRY_SECONDS)
        while True:
            self._beats.beat("preflight_loop", self._settings.check_interval + 600)
            looks = (self._components.antrea.look, self._components.own_node.look)
            answered = [self._guard(look, default=False) for look in looks]
            self._first_look.set()
            if all(answered):
                backoff.reset()
            if self._stop.wait(self._settings.check_interval if all(answered) else backoff.delay()):
                return

    def _node_loop(self) -> None:
        backoff = Backoff(*_NODE_RETRY_SECONDS)
        while True:
            self._beats.beat("node_loop", self._settings.check_interval + 600)
            ready = self._guard(
                lambda: self._components.node.reconcile(self._call(_NODE_TIMEOUT_SECONDS)), default=False
            )
            self._first_round.set()
            if ready:
                backoff.reset()
            self._node_wake.wait(self._settings.check_interval if ready else backoff.delay())
            if self._stop.wait(_NODE_EVENTS_SECONDS):
                return
            self._node_wake.clear()

    def _poll_loop(self) -> None:
        """What no event reports: namespaces that come and go, and trouble with the source of the objects."""
        due = 0.0
        while not self._stop.wait(self._poll_seconds()):
            self._beats.beat("poll_loop", 300)
            if time.monotonic() >= due or not self._may_rest():
                self._guard(self._components.controller.poll_sandboxes, default=None)
                due = time.monotonic() + _POLL_WHEN_SETTLED_SECONDS
            self._guard(self._problems.note, default=None)
            self._guard(self._readiness.note, default=None)
            self._guard(self._keep_run_dir, default=None)

    def _front_loop(self) -> None:
        assert self._front is not None
        front = self._front
        while not self._stop.is_set():  # until its end, unless it fails
            self._guard(lambda: front.run(self._stop, lambda: self._beats.beat("front_loop", 300)), default=None)

    def _poll_seconds(self) -> float:
        """A list of the runtime costs more than a stat of a few files, and 110 idle Pods shall cost next to nothing."""
        if self._cluster.traits.trusts_annotations:  # which names the namespaces: no runtime is asked
            return _POLL_SECONDS
        chained = self._settings.cni is not None and self._settings.cni.conf_dir is not None
        return _POLL_WHEN_CHAINED_SECONDS if chained else _POLL_RUNTIME_SECONDS

    def _may_rest(self) -> bool:
        return not self._cluster.traits.trusts_annotations and self._guard(
            lambda: self._components.controller.settled, default=False
        )

    def _keep_run_dir(self) -> None:
        """It may be removed under us: take it again with all records, or end if another process was quicker."""
        if not self._lock.is_lost():
            return
        _log.error("the run directory %s was removed or replaced; taking it again", self._settings.run_dir)
        self._lock.release()
        try:
            self._lock.acquire(self._role)
        except RunDirInUse as exc:
            _log.critical("%s; ending, for two must not work on one node", exc)
            signal.raise_signal(signal.SIGTERM)
            return
        bind_store(self._settings.run_dir, self._settings.state_dir)
        self._components.journal.restore()

    def _startup_taint_loop(self) -> None:
        """Ends some minutes after the agent is ready."""
        self._guard(lambda: self._startup_taint.run(self._stop), default=None)

    def _resync_loop(self) -> None:
        """Renew leases, collect orphans and stale addresses at start and then, with a check of every attachment, periodically."""
        interval, due, resync_at = self._settings.check_interval, 0.0, 0.0

        def beat() -> None:
            self._beats.beat("resync_loop", interval + self._settings.attach_timeout + 600)

        while not self._stop.wait(due):
            beat()
            started = time.monotonic()
            if started >= resync_at:
                if resync_at:
                    self._guard(self._components.controller.resync_in_turn, default=None)
                self._guard(lambda: self._components.attacher.resync(beat), default=None)
                beat()
                self._collect_garbage(interval)
                resync_at = max(started + interval, time.monotonic() + 1.0)
            due = max(1.0, min(resync_at - time.monotonic(), self._look_through_leases(interval)))

    def _collect_garbage(self, interval: float) -> None:
        if self._components.own_node.is_another():
            return
        types, backends = sorted(self._registry.drivers), sorted(self._registry.backends)
        self._guard(lambda: self._components.lease_renewal.renew_due(self._call(interval)), default=None)
        self._guard(lambda: self._components.orphan_gc.collect(types, self._call(interval)), default=None)
        if self._cluster.traits.free_reads:
            self._guard(lambda: self._components.lease_gc.collect(backends, self._call(interval)), default=False)

    def _look_through_leases(self, interval: float) -> float:
        """In rounds of their own where it costs requests to an API server. Returns in how many seconds it is due again."""
        if self._cluster.traits.free_reads:
            return interval
        if self._components.own_node.is_another():
            return 0.0  # soon: readiness waits for the first look
        backends, rounds = sorted(self._registry.backends), self._components.lease_rounds
        self._guard(lambda: rounds.run(backends, self._call(interval)), default=None)
        return rounds.due_in()

    def _guard(self, function: Callable[[], T], default: T) -> T:
        try:
            return function()
        except SecnetError as exc:
            if not self._stop.is_set():
                _log.warning("%s", exc)
        except Exception:
            _log.exception("a background task failed; it is tried again")
        return default
