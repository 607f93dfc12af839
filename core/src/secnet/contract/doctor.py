"""What a plugin adds to `secnet doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .errors import one_line

__all__ = ["DoctorLevel", "DoctorResult"]


class DoctorLevel(StrEnum):
    """OK: all is well. WARN: something may be missing, or could not be found out. FAIL: not all of the work can be done."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """One line of `secnet doctor`.

    what: what was checked, such as `uplink eth1`. finding: the result. remedy: what to do; empty exactly when all is well.
    """

    level: DoctorLevel
    what: str
    finding: str
    remedy: str = ""

    def __str__(self) -> str:
        return one_line(f"{self.level:5} {self.what}: {self.finding}{'; ' + self.remedy if self.remedy else ''}")
