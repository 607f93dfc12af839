"""The end of a process that was asked to stop, whatever hangs in it."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Iterable

__all__ = ["EndLimit"]

_log = logging.getLogger("secnet.agent")


class EndLimit:
    """Ends the process so many seconds after the order to stop, if it has not ended by itself.

    stopped: a descriptor to be read from the order on, by others. signals: never handled in a thread of this.
    """

    def __init__(self, stopped: int, seconds: float, signals: Iterable[signal.Signals]) -> None:
        self._stopped = stopped
        self._seconds = seconds
        self._signals = tuple(signals)
        self._lock = threading.Lock()
        self._begun = False

    def watch(self) -> None:
        """From now on. Who never comes to read the order is ended as well."""
        self._start(threading.Thread(target=self._watch, name="end-limit", daemon=True))

    def begin(self) -> None:
        """The order was read: the time runs. May be called again."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        self._start(timer)

    def _start(self, thread: threading.Thread) -> None:
        """With the signals blocked, which a thread inherits: one that comes while a new program is begun must wait for that."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self) -> None:
        select.select([self._stopped], [], [])
        self.begin()

    def _end(self) -> None:
        _log.error(
            "the end takes longer than %.0f s, and is made now; the next start undoes from the journal what is left",
            self._seconds,
        )
        os._exit(1)
