"""`secnet agent`: the node agent in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import signal
from typing import Any

from secnet.contract import StepObserver

from ..app import Agent
from ..logs import set_up_logging
from ..metrics import make_metrics
from ..source import open_source
from .common import add_config_options, load_all

__all__ = ["add_parser", "serve"]

_log = logging.getLogger("secnet.agent")


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
    registry, settings = load_all(arguments, tell=False)
    set_up_logging(settings.log_level, settings.log_format)
    for problem in registry.problems:
        _log.error("a plugin is not used: %s", problem.error)
    for note in settings.notes:
        _log.info("%s: %s", arguments.config, note)
    metrics = make_metrics(settings.http_listen is not None)
    cluster = open_source(settings, metrics)
    # By descriptor: a handler that takes a lock may deadlock, a lock waited for here is not interrupted when another thread
    # gets the signal, and a blocked signal stays blocked in every program that a plugin starts (measured, all three).
    stopped, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        with Agent(settings, registry, cluster, role="secnet agent", observers=observers, metrics=metrics) as running:
            _log.info("ready: node %s, network types %s", settings.node_name, running.network_types())
            os.read(stopped, 1)
            _log.info("stopping")
    finally:
        cluster.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # one more, while the interpreter ends, would look like a failure
    return 0
