"""The Pods whose work may never end, as a call into a plugin does not return."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from secnet.contract import Call, Timeout

from ..base.queue import WorkQueue
from ..model.pod import PodKey
from ..plugins.calls import StuckCall
from ._recovery import Recovery
from ._resync import ResyncScheduler

__all__ = ["LeftBehind"]


class LeftBehind:
    """Thread-safe, but `begin` and `end` of one Pod come from one thread."""

    def __init__(self, queue: WorkQueue, recovery: Recovery, checks: ResyncScheduler) -> None:
        self._queue = queue
        self._recovery = recovery
        self._checks = checks
        self._calls: dict[PodKey, StuckCall] = {}

    def begin(self, key: PodKey, call: StuckCall) -> None:
        """From now on nothing else waits for this Pod: no worker, no recovery, no check of another Pod."""
        self._calls[key] = call
        self._queue.replace(key)
        self._recovery.note(key)
        self._checks.go_on(key)

    def end(self, key: PodKey) -> None:
        """The call has returned: the Pod is requeued."""
        self._calls.pop(key, None)
        self._queue.add(key)

    @contextmanager
    def hold(self, key: PodKey, call: Call) -> Iterator[None]:
        """Work for a Pod in the caller's own thread, while no worker does.

        Raises Timeout or Cancelled when the Pod does not come free in the call's time, PluginStuck where a plugin is why.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._queue.hold(key, call))
            except Timeout as exc:
                stuck = self._calls.get(key)
                if stuck is None:
                    raise
                raise stuck.error from exc
            yield
