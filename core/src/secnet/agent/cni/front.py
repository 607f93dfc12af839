"""The CNI socket of a running agent, and the plugin's place in the runtime's configuration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from secnet.contract import SecnetError

from ..base.metrics import Metrics
from ..config.settings import CniSettings
from ._directory_watch import DirectoryWatch
from ._server import CniServer
from ._service import CniService
from .chain_keeper import ChainKeeper, watched_folders
from .install_flag import InstallFlag
from .interface import Attacher

__all__ = ["CniFront"]

_log = logging.getLogger(__name__)

_LOST_DRAIN_SECONDS = 30.0  # calls that had got through before the socket was lost
_LOOK_SECONDS = 2.0
_BLIND_LOOK_SECONDS = 0.5  # where no change is reported
_SOON_SECONDS = 0.1


class CniFront:
    """Serves CNI calls from `start` to `close`. A call that comes before recovery is complete waits for it.

    The entry in the runtime's configuration outlives the agent: Pods that start while it is away shall wait for it, not go
    without their networks. `secnet cni-uninstall` takes it out.

    multus: whether Multus serves this node; then there is no entry. teardown_only: nothing new is served or installed: an earlier
    agent served the plugin, and a caller's DEL without an answer would keep its Pod from ending. read_elsewhere: see
    `ChainKeeper`.
    """

    def __init__(
        self,
        settings: CniSettings,
        attacher: Attacher,
        *,
        run_dir: Path,
        ready_timeout: float,
        metrics: Metrics,
        multus: Callable[[], bool] = lambda: False,
        teardown_only: bool = False,
        read_elsewhere: Callable[[], str | None] = lambda: "",
    ) -> None:
        self._attacher = attacher
        self._socket = settings.socket
        self._service = CniService(attacher, ready_timeout=ready_timeout, teardown_only=teardown_only)
        self._server = CniServer(self._socket, self._service.answer)
        self._flag = InstallFlag(run_dir)
        self._watch = DirectoryWatch(() if teardown_only else watched_folders(settings))
        self._keeper: ChainKeeper | None = None
        if not teardown_only:
            self._keeper = ChainKeeper(
                settings,
                flag=self._flag,
                ready=lambda: attacher.ready,
                metrics=metrics,
                multus=multus,
                read_elsewhere=read_elsewhere,
            )

    def start(self) -> None:
        """Take calls. Raises what an OSError in the run directory means."""
        if self._keeper is not None:
            self._flag.turn_on()
        self._server.start()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Keep the socket and the installation until `stop` is set and `wake` was called. beat: called in each round."""
        while not stop.is_set():
            beat()
            self._watch.wait(self._pause(self.reconcile()))

    def wake(self) -> None:
        """Have `run` come round now."""
        self._watch.wake()

    def unready(self) -> str:
        """See `ChainKeeper.unready`."""
        return "" if self._keeper is None else self._keeper.unready()

    @property
    def error(self) -> SecnetError | None:
        """See `ChainKeeper.error`."""
        return None if self._keeper is None else self._keeper.error

    def reconcile(self) -> float | None:
        """One round of `run`: make good what other programs did. Never raises. Returns what `ChainKeeper.reconcile` does."""
        self._keep_socket()
        return None if self._keeper is None else self._keeper.reconcile()

    def _pause(self, wanted: float | None) -> float:
        if self._keeper is not None and not self._attacher.ready:
            return _SOON_SECONDS
        most = _LOOK_SECONDS if self._watch.works or self._keeper is None else _BLIND_LOOK_SECONDS
        return most if wanted is None else min(most, wanted)

    def _keep_socket(self) -> None:
        """The socket, or the whole run directory, may be removed under us."""
        if not self._server.is_lost():
            return
        _log.error("the CNI socket %s was removed or replaced; making it again", self._socket)
        try:
            server = CniServer(self._socket, self._service.answer)
        except SecnetError as exc:
            _log.error("the CNI socket cannot be made again yet: %s", exc)
            return
        server.start()
        threading.Thread(target=self._server.close, args=(_LOST_DRAIN_SECONDS,), daemon=True).start()
        self._server = server

    def close(self, drain: float) -> bool:
        """Take no more calls, let those that run finish for `drain` seconds, then cancel them."""
        try:
            return self._server.close(drain)
        finally:
            self._watch.close()
