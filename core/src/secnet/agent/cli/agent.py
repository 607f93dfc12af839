"""`secnet agent`: the node agent in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import time
from typing import Any

from secnet.contract import StepObserver

from ..base.logs import set_up_logging
from ..process.app import Agent
from ..process.metrics import make_metrics
from ..process.source import open_source
from ..state.run_dir import RunDirInUse
from ._common import add_config_options, load_all

__all__ = ["add_parser", "serve"]

_log = logging.getLogger("secnet.agent")

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
        "survive the agent.",
    )
    add_config_options(parser)
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace, observers: tuple[StepObserver, ...] = ()) -> int:
    """Run until a signal says stop. `observers` is for tests, which inject faults at the steps."""
    registry, settings = load_all(arguments, warn=False)
    set_up_logging(settings.log_level, settings.log_format)
    for problem in registry.problems:
        _log.error("a plugin is not used: %s", problem.error)
    for note in settings.notes:
        _log.info("node configuration %s", note)
    metrics = make_metrics(settings.http_listen is not None)
    cluster = open_source(settings, metrics, registry)
    # By descriptor: a handler that takes a lock may deadlock, a lock waited for here is not interrupted when another thread
    # gets the signal, and a blocked signal stays blocked in every program that a plugin starts (measured, all three).
    stopped, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    turn = _Turn(stopped, settings.drain_seconds)
    try:
        with Agent(
            settings, registry, cluster, role="secnet agent", wait=turn.wait, observers=observers, metrics=metrics
        ) as running:
            _log.info("ready: node %s, network types %s", settings.node_name, running.network_types())
            os.read(stopped, 1)
            _log.info("stopping")
    except RunDirInUse:
        if not turn.is_over:
            raise
    finally:
        cluster.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # one more, while the interpreter ends, would look like a failure
    return 0


class _Turn:
    """Waits for an agent that is being replaced: a crash, and then the kubelet's back-off, would take longer than its end.

    stopped: a descriptor to be read once a signal says stop. drain_seconds: what the other one has for its work, each twice.
    """

    def __init__(self, stopped: int, drain_seconds: float) -> None:
        self._stopped = stopped
        self._seconds = _DRAINS * drain_seconds + _END_SECONDS
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
