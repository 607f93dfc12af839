"""What no event reports, such as namespaces that come and go: looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..cluster.interface import SourceTraits
from ..config.settings import Settings
from ..pods.controller import Controller
from ._background import Background

__all__ = ["PollLoop"]

_SECONDS = 0.5
_RUNTIME_SECONDS = 1.0
_WHEN_CHAINED_SECONDS = 2.0  # CNI calls register new sandboxes; what is left are those that die
_WHEN_SETTLED_SECONDS = 5.0


class PollLoop:
    """Lists the sandboxes, and runs each of `notes` every round.

    traits: of the source of the objects. Where it names the namespaces itself, no runtime is asked.
    """

    def __init__(
        self,
        background: Background,
        controller: Controller,
        settings: Settings,
        traits: SourceTraits,
        notes: Sequence[Callable[[], None]],
    ) -> None:
        self._background = background
        self._controller = controller
        self._asks_runtime = not traits.trusts_annotations
        self._seconds = _seconds(settings, traits)
        self._notes = notes

    def run(self) -> None:
        """Until the agent stops."""
        due = 0.0
        background = self._background
        while not background.stop.wait(self._seconds):
            background.beats.beat("poll_loop", 300)
            if time.monotonic() >= due or not self._may_rest():
                background.guard(self._controller.poll_sandboxes, default=None)
                due = time.monotonic() + _WHEN_SETTLED_SECONDS
            for note in self._notes:
                background.guard(note, default=None)

    def _may_rest(self) -> bool:
        return self._asks_runtime and self._background.guard(lambda: self._controller.settled, default=False)


def _seconds(settings: Settings, traits: SourceTraits) -> float:
    """A list of the runtime costs more than a stat of a few files, and 110 idle Pods shall cost next to nothing."""
    if traits.trusts_annotations:
        return _SECONDS
    chained = settings.cni is not None and settings.cni.conf_dir is not None
    return _WHEN_CHAINED_SECONDS if chained else _RUNTIME_SECONDS
