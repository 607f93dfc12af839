"""One reconciler per run directory: the running agent, or this command for as long as it waits."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from ..base.logs import set_up_logging
from ..cluster.files.cluster import ManifestCluster
from ..cluster.kinds import with_plugins
from ..config.settings import Settings
from ..plugins.registry import Registry
from ..process.app import Agent
from ..state.run_dir import RunDirInUse

__all__ = ["Progress", "reconciler"]

_FIRST_WORD_SECONDS = 1.0
_NEXT_WORD_SECONDS = 2.0


class Progress:
    """A deadline, and a line on stderr now and then while something takes longer than a second."""

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._next = time.monotonic() + _FIRST_WORD_SECONDS

    def over(self) -> bool:
        """True when the time is up."""
        return time.monotonic() >= self._deadline

    def show(self, what: str, detail: str = "") -> None:
        """Say what is being waited for, if it is time for a word."""
        if time.monotonic() >= self._next:
            left = max(0, round(self._deadline - time.monotonic()))
            print(f"secnet: {what}, {left} s left{': ' + detail if detail else ''}", file=sys.stderr, flush=True)
            self._next = time.monotonic() + _NEXT_WORD_SECONDS


@contextmanager
def reconciler(settings: Settings, registry: Registry, role: str) -> Iterator[Callable[[], None]]:
    """Make sure that a process reconciles the run directory: an agent that already does, or one in this process."""
    set_up_logging("error", "console")
    logging.getLogger("secnet").setLevel(logging.CRITICAL)  # failures are printed from the reports, once
    with ExitStack() as stack:
        cluster = ManifestCluster(settings.state_dir, None, kinds=with_plugins(registry.kinds))
        stack.callback(cluster.close)
        mine = False

        def ensure() -> None:
            """To be called while waiting: the process that held the run directory may have ended since."""
            nonlocal mine
            if not mine:
                # An agent that holds the run directory sees what was handed over through the store.
                with suppress(RunDirInUse):
                    stack.enter_context(Agent(settings, registry, cluster, role=role))
                    mine = True

        ensure()
        yield ensure
