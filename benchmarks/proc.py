"""What /proc says of processes and of the machine (proc(5))."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["busy", "cpu_seconds", "status"]

_PROC = Path("/proc")


def cpu_seconds(pid: int, proc: Path = _PROC) -> float:
    """CPU time that all threads of a process have used, in the clock's ticks of usually 10 ms.

    proc: another mount of proc, such as that of a process in a PID namespace, where `pid` is its number there.
    """
    fields = (proc / f"{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid: int, proc: Path = _PROC) -> dict[str, int]:
    """The numbers of /proc/PID/status; sizes are in kB. proc: as above."""
    lines = (line.partition(":") for line in (proc / f"{pid}/status").read_text(encoding="utf-8").splitlines())
    return {name: int(words[0]) for name, _, text in lines if (words := text.split()) and words[0].isdigit()}


def busy(seconds: float) -> float:
    """The share of the machine's CPU time, from 0 to 1, that was in use during the next `seconds`."""
    before = _machine()
    time.sleep(seconds)
    idle, total = (after - earlier for after, earlier in zip(_machine(), before, strict=True))
    return round(1 - idle / total, 3) if total else 0.0


def _machine() -> tuple[int, int]:
    """Ticks of all CPUs that were idle, and all."""
    fields = [int(word) for word in (_PROC / "stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)
