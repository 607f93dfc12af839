"""The first line of commands that show what a reconciler left: whether one is there, and how old what they show is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from secnet.contract import to_json

from ..config.settings import Settings
from ..state.presence import Reconciler, read_reconciler

__all__ = ["Seen", "look_for_reconciler"]

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """line: one sentence. missing: whether an agent should be there and does its work, and is not or does not."""

    line: str
    missing: bool
    reconciler: Reconciler | None

    def as_data(self) -> Any:
        """For `--json`; None where no process ever reconciled."""
        return None if self.reconciler is None else to_json(self.reconciler)


def look_for_reconciler(settings: Settings) -> Seen:
    """An agent should be there where the Kubernetes API has the objects, and where the last reconciler was one."""
    found = read_reconciler(settings.run_dir)
    wanted = settings.kubernetes is not None or (found is not None and found.is_agent)
    return Seen(line=_line(found, wanted), missing=_is_missing(found, wanted), reconciler=found)


def _is_missing(found: Reconciler | None, wanted: bool) -> bool:
    if found is None or not found.runs:
        return wanted
    return found.is_overdue(time.time())


def _line(found: Reconciler | None, wanted: bool) -> str:
    remedy = "; start it: until then nothing here is reconciled" if wanted else ""
    if found is None:
        return f"no agent has run here{remedy}"
    if not found.runs:
        since = (
            f"{'no agent' if wanted else f'no agent (the last was {found.role!r})'}: state as of {_clock(found.seen)}"
        )
        return since + remedy
    name = f"agent {found.version}" if found.is_agent else f"{found.role} {found.version}"
    resync = f"last resync {_age(found.resynced)}" if found.resynced else "no resync yet"
    late = "; it is overdue: look at its log, and whether the process hangs" if found.is_overdue(time.time()) else ""
    return f"{name}, pid {found.pid}, {resync}{late}"


def _age(moment: float) -> str:
    seconds = max(0, round(time.time() - moment))
    return f"{seconds} s ago" if seconds < 180 else f"{round(seconds / 60)} min ago"


def _clock(moment: float) -> str:
    today = abs(time.time() - moment) < _SECONDS_A_DAY / 2
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", time.localtime(moment))
