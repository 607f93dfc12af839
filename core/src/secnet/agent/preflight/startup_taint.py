"""The taint that keeps Pods off a Node that joins until its agent is ready.

The creator of the Node sets it: the kubelet by `--register-with-taints`, a node pool of an autoscaler, Karpenter by
`startupTaints`. The agent never sets it, and removes it from its own Node alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from secnet.contract import SecnetError

from ..base.backoff import Backoff
from ..cluster.interface import Cluster
from ..cluster.problems import ProblemList, problem_text
from ..model.problem import Problem

__all__ = ["STARTUP_TAINT", "StartupTaint"]

_log = logging.getLogger(__name__)

STARTUP_TAINT = "startup-taint.cluster-autoscaler.kubernetes.io/secnet-not-ready"
"""The key, whatever value and effect. By its prefix the cluster autoscaler knows that the taint goes by itself."""

_READY_SECONDS = 0.5
_LOOK_SECONDS = 60.0
_LOOKS_FOR_SECONDS = 600.0  # an autoscaler may write the taint some time after the kubelet has made the Node
_RETRY_SECONDS = 1.0, 30.0


class StartupTaint:
    """Of one agent. `run` is for one thread. ready: whether a Pod that starts now gets its networks. node: the Node's name."""

    def __init__(
        self,
        cluster: Cluster,
        node: str,
        *,
        ready: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._node = node
        self._ready = ready
        self._clock = clock
        self._problems = ProblemList(time.time)

    def run(self, stop: threading.Event) -> None:
        """Remove it once the agent is ready, and again in the first minutes after that; then return, or when `stop` is set."""
        backoff = Backoff(*_RETRY_SECONDS)
        began: float | None = None
        while began is None or self._clock() - began < _LOOKS_FOR_SECONDS:
            if not self._ready():
                pause = _READY_SECONDS
            elif self.look():
                began = self._clock() if began is None else began
                pause = _LOOK_SECONDS
                backoff.reset()
            else:
                pause = backoff.delay()
            if stop.wait(pause):
                return

    def look(self) -> bool:
        """Remove it if it is there. False to try again soon."""
        try:
            if self._cluster.remove_taint(self._node, STARTUP_TAINT):
                _log.info("the agent is ready: the taint %s of Node %s is removed", STARTUP_TAINT, self._node)
        except SecnetError as exc:
            text = problem_text(exc, f"Node {self._node}")
            self._problems.update(
                [text._replace(message=f"its taint {STARTUP_TAINT} cannot be removed: {text.message}")]
            )
            return False
        self._problems.update([])
        return True

    def problems(self) -> tuple[Problem, ...]:
        """What keeps the taint on the Node although the agent is ready."""
        return self._problems.current()
