"""What `/readyz` says, in the log: when it becomes true, and when it does not hold any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

__all__ = ["ReadinessLog"]

_log = logging.getLogger("secnet.agent")


class ReadinessLog:
    """For one thread. unready: why the agent is not ready now, each a sentence."""

    def __init__(self, unready: Callable[[], Iterable[str]], node_name: str) -> None:
        self._unready = unready
        self._node_name = node_name
        self._ready: bool | None = None  # nothing was logged yet

    def note(self) -> None:
        """Log a change since the last call. Waits for nothing."""
        reasons = "; ".join(self._unready())
        before, self._ready = self._ready, not reasons
        if self._ready and not before:
            _log.info("ready: node %s", self._node_name)
        elif before:
            if reasons:
                _log.warning("not ready any more: %s", reasons)
        elif before is None:
            _log.info("not ready yet: %s", reasons)
