"""What /proc says of a process (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_seconds", "status"]


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have used, in the clock's ticks of usually 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid: int) -> dict[str, int]:
    """The numbers of /proc/PID/status; sizes are in kB."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return {name: int(words[0]) for name, _, text in lines if (words := text.split()) and words[0].isdigit()}
