"""`secnet agent`: the node agent in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from secnet.contract import SecnetError, StepObserver
from secnet.linux import sysctl

from ..base.logs import set_up_logging
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..config.settings import Settings
from ..plugins.registry import Registry
from ..preflight.node_labels import remember_labels
from ..process.app import Agent
from ..process.metrics import make_metrics
from ..process.node_group import GroupWatch, has_groups, wait_for_labels
from ..process.source import open_source
from ..state.presence import AGENT_ROLE
from ..state.run_dir import RunDirInUse
from ._common import add_config_options, load
from ._end_limit import EndLimit

__all__ = ["add_parser", "serve"]

_log = logging.getLogger("secnet.agent")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_OTHER_GROUP = b"\0"  # in the pipe, where a signal writes its number
_RELOAD = bytes([signal.SIGHUP])
_DRAINS = 4  # CNI calls and the queue have drainSeconds each to end, and as much to be undone
_END_SECONDS = 10.0
_TRY_SECONDS = 0.2


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "agent",
        help="run the node agent",
        description="Watch the Kubernetes API, or the manifest directory of the node configuration (and what `secnet apply` "
        "hands over), make the networks of this node's Pods so and keep them so, until SIGTERM or SIGINT. Living attachments "
        "survive the agent. SIGHUP has it read its node configuration again.",
    )
    add_config_options(parser)
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace, observers: tuple[StepObserver, ...] = ()) -> int:
    """Run until a signal says stop. `observers` is for tests, which inject faults at the steps."""
    registry = Registry.load()
    settings = load(arguments, registry)
    set_up_logging(settings.log_level, settings.log_format)
    _make_sysctls_writable()
    # By descriptor: a handler that takes a lock may deadlock, a lock waited for here is not interrupted when another thread
    # gets the signal, and a blocked signal stays blocked in every program that a plugin starts (measured, all three).
    stopped, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    end = EndLimit(stopped, _end_seconds(settings), _SIGNALS)
    end.watch()
    # One that came while the agent started itself again.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    metrics = make_metrics(settings.http_listen is not None)
    cluster = open_source(settings, metrics, registry)
    again = False
    try:
        if has_groups(settings):
            labels = wait_for_labels(
                settings, cluster, lambda seconds: bool(select.select([stopped], [], [], seconds)[0])
            )
            if labels is None:
                return 0
            settings = load(arguments, registry, labels)
            remember_labels(settings, labels)
            set_up_logging(settings.log_level, settings.log_format)
            _log.info("node group: %s", settings.node_group or "none")
        for problem in registry.problems:
            _log.error("a plugin is not used: %s", problem.error)
        for note in settings.notes:
            _log.info("node configuration %s", note)
        again = _run(
            settings, registry, cluster, metrics, observers, (stopped, wake), end, lambda: load(arguments, registry)
        )
    finally:
        cluster.close()
        if again:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # from now on one waits for the new program
        if not again or _is_stop_requested(stopped):
            again = False
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # one more, while the interpreter ends, would look like a failure
    if again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def _is_stop_requested(stopped: int) -> bool:
    """Whether a signal came since the pipe was read last."""
    while select.select([stopped], [], [], 0)[0]:
        if os.read(stopped, select.PIPE_BUF).strip(_OTHER_GROUP + _RELOAD):
            return True
    return False


def _run(
    settings: Settings,
    registry: Registry,
    cluster: Cluster,
    metrics: Metrics,
    observers: tuple[StepObserver, ...],
    pipe: tuple[int, int],
    end: EndLimit,
    reads: Callable[[], object],
) -> bool:
    """Run the agent until a signal, or the node group, writes into the pipe. Whether it is to start again, with other settings.

    reads: reads the node configuration, for a reload; raises SecnetError if it is invalid.
    """
    stopped, wake = pipe
    turn = _Turn(stopped, _end_seconds(settings))
    try:
        with (
            Agent(settings, registry, cluster, role=AGENT_ROLE, wait=turn.wait, observers=observers, metrics=metrics),
            _watched_group(settings, cluster, lambda: os.write(wake, _OTHER_GROUP)),
        ):
            why = _reason(stopped, reads)
            end.begin()
            _log.info("stopping")
    except RunDirInUse:
        if not turn.is_over:
            raise
        return False
    return why in (_OTHER_GROUP, _RELOAD)


def _reason(stopped: int, reads: Callable[[], object]) -> bytes:
    """Wait for what ends the agent. A configuration that is invalid does not: the agent goes on with the one it has."""
    signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        while (why := os.read(stopped, 1)) == _RELOAD:
            try:
                reads()
            except SecnetError as exc:
                _log.error("the node configuration is not reloaded: %s", exc)
                continue
            _log.info("reloading the node configuration")
            break
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return why


def _end_seconds(settings: Settings) -> float:
    """What an agent has to end, from the signal on."""
    return _DRAINS * settings.drain_seconds + _END_SECONDS


@contextmanager
def _watched_group(settings: Settings, cluster: Cluster, changed: Callable[[], object]) -> Iterator[None]:
    if not has_groups(settings):
        yield
        return
    watch = GroupWatch(settings, cluster, changed)
    watch.start()
    try:
        yield
    finally:
        watch.close()


def _make_sysctls_writable() -> None:
    """Container runtimes mount /proc/sys read-only, and no manifest can say otherwise."""
    try:
        if sysctl.make_writable():
            _log.info("made /proc/sys writable in this mount namespace")
    except SecnetError as exc:
        _log.error("no sysctl of a Pod can be set: %s", exc)


class _Turn:
    """Waits for an agent that is being replaced: a crash, and then the kubelet's back-off, would take longer than its end.

    stopped: a descriptor to be read once a signal says stop. seconds: what the other one has to end.
    """

    def __init__(self, stopped: int, seconds: float) -> None:
        self._stopped = stopped
        self._seconds = seconds
        self._until: float | None = None
        self.is_over = False

    def wait(self, exc: RunDirInUse) -> bool:
        """A moment; False when the time is up, or stop was requested: then `is_over`."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._seconds
            _log.info("waiting up to %.0f s for its end: %s", self._seconds, exc.message)
        if now >= self._until:
            return False
        self.is_over = bool(select.select([self._stopped], [], [], _TRY_SECONDS)[0])
        return not self.is_over
