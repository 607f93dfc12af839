"""The CNI socket of a running agent, and the plugin's place in the runtime's configuration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from secnet.contract import SecnetError

from ..base.metrics import Metrics
from ..config.settings import CniSettings
from ._server import CniServer
from ._service import CniService
from .install import CniInstallation
from .install_flag import InstallFlag
from .interface import Attacher

__all__ = ["CniFront", "installation"]

_log = logging.getLogger(__name__)

_LOST_DRAIN_SECONDS = 30.0  # calls that had got through before the socket was lost


class CniFront:
    """Serves CNI calls from `start` to `close`. A call that comes before recovery is complete waits for it.

    The entry in the runtime's configuration outlives the agent: Pods that start while it is away shall wait for it, not go
    without their networks. `secnet cni-uninstall` takes it out.

    multus: whether Multus serves this node; then there is no entry. teardown_only: nothing new is served or installed: an earlier
    agent served the plugin, and a caller's DEL without an answer would keep its Pod from ending.
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
    ) -> None:
        self._attacher = attacher
        self._metrics = metrics
        self._socket = settings.socket
        self._ends_only = teardown_only
        self._service = CniService(attacher, ready_timeout=ready_timeout, teardown_only=teardown_only)
        self._server = CniServer(self._socket, self._service.answer)
        self._installation = installation(settings, multus)
        self._switch = InstallFlag(run_dir)
        self._taken_out = False
        self._was_in = False
        self._last_problem = ""

    def start(self) -> None:
        """Take calls. Raises what an OSError in the run directory means."""
        if not self._ends_only:
            self._switch.turn_on()
        self._server.start()

    def reconcile(self) -> None:
        """Install the program, the entry once the agent is ready, and both again when they are gone. Never raises."""
        self._keep_socket()
        if self._ends_only:
            return
        ready = self._attacher.ready
        try:
            taken_out = not self._switch.if_on(self._ensure if ready else self._installation.ensure_program)
        except SecnetError as exc:
            if str(exc) != self._last_problem:
                _log.warning("the CNI plugin is not in the runtime's configuration: %s", exc)
            self._last_problem = str(exc)
            return
        if not ready:
            return
        if taken_out and not self._taken_out:
            _log.info(
                "the CNI plugin was taken out of the runtime's configuration on request; it stays out until a restart"
            )
        self._taken_out = taken_out
        if self._last_problem and not taken_out:
            _log.info("the CNI plugin is in the runtime's configuration")
        self._last_problem = ""

    def _ensure(self) -> None:
        """Another program may rewrite the network at any time: the log explains why Pods started without their networks."""
        written = self._installation.ensure()
        if written is not None:
            self._metrics.on_entry_written()
            if self._was_in:
                _log.warning(
                    "%s did not have the CNI plugin any more, and has it again; Pods that started meanwhile did not wait for "
                    "their networks",
                    written,
                )
            else:
                _log.info("the CNI plugin is written into %s", written)
        self._was_in = True

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
        return self._server.close(drain)


def installation(settings: CniSettings, multus: Callable[[], bool] = lambda: False) -> CniInstallation:
    """What the settings say is to be installed."""
    return CniInstallation(
        program=settings.program,
        bin_dir=settings.bin_dir,
        conf_dir=settings.conf_dir,
        socket=settings.socket,
        fail_open_namespaces=settings.fail_open_namespaces,
        multus=multus,
    )
