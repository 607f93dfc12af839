"""The threads of one agent: each runs until all shall stop, and what one round raises ends no thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from secnet.contract import Call, SecnetError, StepObserver

from ..observe.health import Heartbeats

__all__ = ["Background"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_JOIN_SECONDS = 5.0


class Background:
    """What the loops of one agent share.

    stop: set once, at the end. observers: those of every call into a plugin.
    """

    def __init__(self, observers: tuple[StepObserver, ...]) -> None:
        self.stop = threading.Event()
        self.beats = Heartbeats()
        self._observers = observers

    def spawn(self, name: str, target: Callable[[], None], stack: ExitStack) -> None:
        """Run `target` in a thread of its own, and let `stack` wait for its end."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        stack.callback(thread.join, _JOIN_SECONDS)

    def call(self, seconds: float) -> Call:
        """For plugins: cancelled when the agent stops."""
        return Call.within(seconds, cancel=self.stop, observers=self._observers)

    def guard(self, function: Callable[[], T], default: T) -> T:
        """What `function` returns; `default` if it raises, which is logged."""
        try:
            return function()
        except SecnetError as exc:
            if not self.stop.is_set():
                _log.warning("%s", exc)
        except Exception:
            _log.exception("a background task failed; it is tried again")
        return default
