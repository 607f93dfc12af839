"""Keeps the plugin where the runtime calls it, and says while it is not: Pods that start then do not wait for their networks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from secnet.contract import NotReady, SecnetError

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
_UNANSWERED = "whether the runtime has the CNI plugin is not known yet: it does not answer"
_OTHER_FOLDER = (
    "mount that directory where cni.confDir is; if it is mounted there, `crictl info` says why no network was loaded"
)
_RUNTIME_LOOKS, _RUNTIME_SECONDS = 20, 0.1
_UNANSWERED_SECONDS = 1.0
_CONFIRM_SECONDS = 60.0  # the directory may be replaced on the host while the agent keeps the one that was mounted


class ChainKeeper:
    """Of one agent. `reconcile` is for one thread; the rest may be called by any.

    ready: whether the agent can serve the plugin's calls; before that nothing is written. multus: whether Multus serves this
    node; then there is no entry. read_elsewhere: the directory that the runtime reads, by its path on the host, if it found no
    network with the plugin there; empty if it did, or does not say; None if it does not answer.
    """

    def __init__(
        self,
        settings: CniSettings,
        *,
        flag: InstallFlag,
        ready: Callable[[], bool],
        metrics: Metrics,
        multus: Callable[[], bool] = lambda: False,
        read_elsewhere: Callable[[], str | None] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ready = ready
        self._conf_dir = settings.conf_dir
        self._metrics = metrics
        self._flag = flag
        self._installation = installation(settings, multus)
        self._clock = clock
        self._rewrites = Rewrites(clock)
        self._read_elsewhere = read_elsewhere
        self._looks = 0  # at the runtime, which did not have the entry
        self._confirm: float | None = None  # when to look at a runtime again that had it
        self._was_in = False
        self._taken_out = False
        self._pending = _PENDING if watched_folders(settings) else ""
        self._error: SecnetError | None = None
        self._on_trial = False  # the entry was written in a contest, and did not stand for long enough yet

    def unready(self) -> str:
        """Why Pods that start now would not wait for their networks, in a sentence; empty while they do, or shall not."""
        pending, error = self._pending, self._error
        if pending:
            return pending
        return "" if error is None else f"{_NOT_IN}: {error}"

    @property
    def error(self) -> SecnetError | None:
        """What keeps the entry from being in, once it was tried."""
        return self._error

    def reconcile(self) -> float | None:
        """Install the program, and the entry once the agent is ready; both again when they are gone. Never raises.

        Returns the seconds after which it is to be called again whatever happens; None where only a change matters.
        """
        if not self._ready():
            self._keep_program()
            return None
        try:
            taken_out = not self._flag.if_on(self._ensure)
        except SecnetError as exc:
            self._pending, self._error = "", exc
            return self._rewrites.missing() or None
        if self._on_trial and not taken_out:
            return self._rewrites.trial()
        if taken_out and not self._taken_out:
            _log.info(
                "the CNI plugin was taken out of the runtime's configuration on request; it stays out until a restart"
            )
        self._taken_out = taken_out
        folder = "" if taken_out else self._unread()
        if folder is None:
            self._pending = self._pending and _UNANSWERED
            return _UNANSWERED_SECONDS
        if folder:
            return self._wait_for_runtime(folder)
        if self._error is not None and not taken_out:
            _log.info("the CNI plugin is in the runtime's configuration")
        self._pending, self._error = "", None
        return None

    def _keep_program(self) -> None:
        """An entry may stand there from before, and without its program no Pod of the node starts."""
        with suppress(SecnetError):  # reported once the agent is ready
            self._flag.if_on(self._installation.ensure_program)

    def _unread(self) -> str | None:
        """Where the runtime reads, if not what we wrote; None if it does not answer.

        It is asked until it has the entry, again after each write, and once a minute.
        """
        now = self._clock()
        if not self._installation.chains or (self._confirm is not None and now < self._confirm):
            return ""
        folder = self._read_elsewhere()
        if folder is None:
            return None
        self._looks = self._looks + 1 if folder else 0
        self._confirm = None if folder else now + _CONFIRM_SECONDS
        return folder

    def _wait_for_runtime(self, folder: str) -> float | None:
        """It reads a changed directory by itself, a moment later; if it does not, the directory is another one."""
        if self._looks <= _RUNTIME_LOOKS:
            self._pending = _PENDING
            return _RUNTIME_SECONDS
        message = f"the runtime reads {folder}, and has no network with the plugin from there"
        self._pending, self._error = "", NotReady(message, hint=_OTHER_FOLDER, subject=str(self._conf_dir))
        return None

    def _ensure(self) -> None:
        """Another program may rewrite the network at any time: the log explains why Pods started without their networks."""
        written = self._installation.ensure(self._rewrites.missing)
        if written is None:
            # By time: our own write wakes us, before its owner answers it.
            self._on_trial = self._on_trial and self._rewrites.trial() > 0
            self._rewrites.stands()
            self._was_in = True
            return
        self._rewrites.wrote()
        self._looks, self._confirm = 0, None
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

    False where that cannot be read.
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
