"""Whether Multus serves this node, and so calls the plugin for networks of `type: secnet` itself.

Its configuration comes and goes: the daemon takes it away when it ends, and writes it again when it is back. So what was seen
once is remembered in stateDir, by node, until the administrator says otherwise: an agent that took over in between would give
every Pod of the node a second interface and a second address, for good.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from secnet.contract import SecnetError

from ..base.clock import rfc3339
from ..base.intervals import IntervalLimiter
from ..base.os_errors import translated
from ..cluster.problems import ProblemList, ProblemText
from ..cni.install import multus_present
from ..config.settings import Settings
from ..model.multus import MultusState
from ..model.problem import Problem

__all__ = ["Multus", "how_to_forget", "memory_path", "remembered_since"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_PRESENT, _ABSENT = "present", "absent"  # what the administrator may say; else it is found out


def memory_path(settings: Settings) -> Path:
    """The file that says that Multus was seen on this node, and since when."""
    return settings.state_dir / "multus" / urllib.parse.quote(settings.node_name, safe="")


def remembered_since(path: Path) -> str | None:
    """When Multus was first seen, RFC 3339 in UTC; None where nothing is remembered. Raises what an OSError there means."""
    with translated(path):
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip() or "an unknown time"
        except (FileNotFoundError, NotADirectoryError):
            return None


def how_to_forget(settings: Settings) -> str:
    """What ends the memory, as a remedy."""
    return f"if Multus is gone from this node for good, remove {memory_path(settings)}, or set `multus: absent`"


class Multus:
    """The answer for one agent: call it. Thread-safe. The file is read again with the configuration, every few seconds.

    on_look: gets the state each time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        look_seconds: float = _LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
        on_look: Callable[[MultusState], None] = lambda state: None,
    ) -> None:
        self._on_look = on_look
        self._settings = settings
        self._memory = memory_path(settings)
        self._clock = clock
        self._looks = IntervalLimiter(look_seconds)
        self._lock = threading.Lock()  # a caller during the first check must not use an answer from before it
        self._state = MultusState(serves=settings.multus == _PRESENT)
        self._problem = ""
        self._unwritten: str | None = None
        self._problems = ProblemList(clock)

    def __call__(self) -> bool:
        """Whether Multus serves this node."""
        with self._lock:
            if self._looks.is_due("multus"):
                self._look()
                self._on_look(self._state)
            return self._state.serves

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong while networks are left to Multus, and it is not configured."""
        self()
        return self._problems.current()

    def _look(self) -> None:
        """What was known last holds where nothing can be seen; `secnet doctor` says it too."""
        try:
            self._find()
        except SecnetError as exc:
            if str(exc) != self._problem:
                _log.warning("cannot see whether Multus serves this node: %s", exc)
            self._problem = str(exc)
        else:
            self._problem = ""

    def _find(self) -> None:
        mode = self._settings.multus
        if mode == _ABSENT:
            with translated(self._memory):
                self._memory.unlink(missing_ok=True)
            return
        since = remembered_since(self._memory) or self._unwritten
        if since is not None and not self._state.serves:
            self._state = MultusState(serves=True)  # whatever the look at its configuration meets
        configured = self._is_configured()
        left = mode == _PRESENT or since is not None
        if configured or (configured is None and left):
            self._state = MultusState(serves=True)
        elif left:
            self._state = self._away(since if mode != _PRESENT else None)
        else:
            self._state = MultusState()
        away = self._state.away
        self._problems.update([ProblemText("Multus", away, self._state.remedy)] if away else [])
        if (configured and since is None) or self._unwritten is not None:
            self._remember(since or rfc3339(self._clock()))

    def _is_configured(self) -> bool | None:
        """None where its configuration is not looked for."""
        conf_dir = self._settings.cni_conf_dir
        if conf_dir is None:
            return None
        with translated(conf_dir):
            return multus_present(conf_dir)

    def _remember(self, since: str) -> None:
        """What cannot be written is known at least to this process."""
        self._unwritten = since
        with translated(self._memory):
            self._memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._memory.with_name(f".{self._memory.name}.tmp")
            temporary.write_text(since + "\n", encoding="utf-8")
            os.replace(temporary, self._memory)
        self._unwritten = None
        _log.info("Multus serves this node: networks of type secnet are left to it, also while it is away")

    def _away(self, since: str | None) -> MultusState:
        where = (
            f"is not configured in {self._settings.cni_conf_dir}: nothing calls for the networks that are left to it"
        )
        if since is None:
            remedy = "see why Multus is away; if it is gone for good, remove `multus: present` (the component multus)"
            return MultusState(
                serves=True, away=f"{where}, because the node configuration says `multus: present`", remedy=remedy
            )
        return MultusState(serves=True, away=f"was seen at {since}, and {where}", remedy=how_to_forget(self._settings))
