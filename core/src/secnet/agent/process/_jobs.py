"""Work of a loop that calls plugins under the locks of an attachment: left behind when such a call does not return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable

from ..plugins.calls import PluginCalls
from ._background import Background

__all__ = ["Jobs"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2


class Jobs:
    """For one loop."""

    def __init__(self, background: Background, calls: PluginCalls) -> None:
        self._background = background
        self._calls = calls
        self._left: dict[Hashable, threading.Thread] = {}

    def run(self, name: Hashable, job: Callable[[], object]) -> None:
        """Do it in a thread of its own and wait for its end. It is left out while an earlier one of the name has not ended.

        What it raises is logged. It returns without the job's end when a call of it into a plugin is beyond its deadline.
        """
        earlier = self._left.get(name)
        if earlier is not None and earlier.is_alive():
            _log.debug("left out, as the last one has not ended: %s", name)
            return
        thread = threading.Thread(
            target=lambda: self._background.guard(job, default=None), name=f"job-{name}", daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if self._calls.is_stuck(thread):
                self._left[name] = thread
                return
