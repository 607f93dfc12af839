"""Keeps the plugin where the runtime calls it, and says while it is not: Pods that start then do not wait for their networks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from secnet.contract import SecnetError

from ..base.metrics import Metrics
from ..config.settings import CniSettings
from ._rewrites import Rewrites
from .install import CniInstallation
from .install_flag import InstallFlag
from .owners import how_to_share

__all__ = ["ChainKeeper", "installation", "is_chaining_wanted", "watched_folders"]

_log = logging.getLogger(__name__)

_NOT_IN = "the CNI plugin is not in the runtime's configuration"
_PENDING = f"{_NOT_IN} yet: that follows recovery"


class ChainKeeper:
    """Of one agent. `reconcile` is for one thread; the rest may be called by any.

    ready: whether the agent can serve the plugin's calls; before that nothing is written. multus: whether Multus serves this
    node; then there is no entry.
    """

    def __init__(
        self,
        settings: CniSettings,
        *,
        flag: InstallFlag,
        ready: Callable[[], bool],
        metrics: Metrics,
        multus: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ready = ready
        self._metrics = metrics
        self._flag = flag
        self._installation = installation(settings, multus)
        self._rewrites = Rewrites(clock)
        self._was_in = False
        self._taken_out = False
        self._pending = bool(watched_folders(settings))
        self._error: SecnetError | None = None
        self._on_trial = False  # the entry was written just now, and so far its owner did not leave it in

    def unready(self) -> str:
        """Why Pods that start now would not wait for their networks, in a sentence; empty while they do, or shall not."""
        if self._pending:
            return _PENDING
        error = self._error
        return "" if error is None else f"{_NOT_IN}: {error}"

    @property
    def error(self) -> SecnetError | None:
        """What keeps the entry from being in, once it was tried."""
        return self._error

    def reconcile(self) -> float | None:
        """Install the plugin once the agent is ready, and again when the configuration was rewritten. Never raises.

        Returns the seconds after which it is to be called again whatever happens; None where only a change matters.
        """
        if not self._ready():
            return None
        try:
            taken_out = not self._flag.if_on(self._ensure)
        except SecnetError as exc:
            self._pending, self._error = False, exc
            return self._rewrites.missing() or None
        if self._on_trial and not taken_out:
            return None
        if taken_out and not self._taken_out:
            _log.info(
                "the CNI plugin was taken out of the runtime's configuration on request; it stays out until a restart"
            )
        self._taken_out = taken_out
        if self._error is not None and not taken_out:
            _log.info("the CNI plugin is in the runtime's configuration")
        self._pending, self._error = False, None
        return None

    def _ensure(self) -> None:
        """Another program may rewrite the network at any time: the log explains why Pods started without their networks."""
        written = self._installation.ensure(self._rewrites.missing)
        self._on_trial = False
        if written is None:
            self._rewrites.stands()
            self._was_in = True
            return
        self._rewrites.wrote()
        self._metrics.on_entry_written()
        self._on_trial = self._rewrites.is_contest and self._error is not None
        if self._on_trial:
            return
        if self._was_in:
            _log.warning(
                "%s did not have the CNI plugin any more, and has it again; Pods that started meanwhile did not wait for their "
                "networks; %s",
                written.path,
                how_to_share(written.types),
            )
        else:
            _log.info("the CNI plugin is written into %s", written.path)
        self._was_in = True


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


def is_chaining_wanted(settings: CniSettings | None, flag: InstallFlag, multus: Callable[[], bool]) -> bool:
    """Whether the entry belongs into the runtime's configuration: containers here wait for their networks then.

    False where it cannot be told.
    """
    if settings is None or settings.conf_dir is None or multus():
        return False
    try:
        return flag.if_on(lambda: None)
    except SecnetError:
        return False


def watched_folders(settings: CniSettings) -> tuple[Path, ...]:
    """Where a change of another program may undo the installation."""
    folders = [settings.conf_dir, settings.bin_dir if settings.program is not None else None]
    return tuple(folder for folder in folders if folder is not None)
