"""The rounds over what concerns the node as a whole: its per-node state, and what has to be true before any work begins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..attach.node_state import NodeStateReconciler
from ..base.backoff import Backoff
from ._background import Background

__all__ = ["NodeLoop", "PreflightLoop"]

_RETRY_SECONDS = (1.0, 15.0)
_TIMEOUT_SECONDS = 20.0
_EVENTS_SECONDS = 0.2  # events that follow each other closely are one


class NodeLoop:
    """Reconciles per-node state each `interval` seconds, sooner after a failure, and at once when woken.

    first_round: set after the first one, whatever it gave.
    """

    def __init__(self, background: Background, node: NodeStateReconciler, interval: float) -> None:
        self._background = background
        self._node = node
        self._interval = interval
        self._wake = threading.Event()
        self.first_round = threading.Event()

    def wake(self) -> None:
        """Something of the node changed. May be called from any thread."""
        self._wake.set()

    def run(self) -> None:
        """Until the agent stops; `wake` after that ends a wait."""
        backoff = Backoff(*_RETRY_SECONDS)
        background = self._background
        while True:
            background.beats.beat("node_loop", self._interval + 600)
            ready = background.guard(lambda: self._node.reconcile(background.call(_TIMEOUT_SECONDS)), default=False)
            self.first_round.set()
            if ready:
                backoff.reset()
            self._wake.wait(self._interval if ready else backoff.delay())
            if background.stop.wait(_EVENTS_SECONDS):
                return
            self._wake.clear()


class PreflightLoop:
    """Asks each of `looks` every `interval` seconds, and all of them sooner while one has no answer.

    first_round: set after the first one, whatever it gave.
    """

    def __init__(self, background: Background, looks: Sequence[Callable[[], bool]], interval: float) -> None:
        self._background = background
        self._looks = looks
        self._interval = interval
        self.first_round = threading.Event()

    def run(self) -> None:
        """Until the agent stops."""
        backoff = Backoff(*_RETRY_SECONDS)
        while True:
            self._background.beats.beat("preflight_loop", self._interval + 600)
            answered = [self._background.guard(look, default=False) for look in self._looks]
            self.first_round.set()
            if all(answered):
                backoff.reset()
            if self._background.stop.wait(self._interval if all(answered) else backoff.delay()):
                return
