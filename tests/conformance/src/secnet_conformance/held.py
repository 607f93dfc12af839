"""What this process holds: a closed plugin must hold none of it."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

__all__ = ["held", "left_of"]

_SETTLE_SECONDS = 2.0


def held() -> set[str]:
    """Threads, children and descriptors of this process, in words."""
    gc.collect()
    found = {f"thread {thread.name}" for thread in threading.enumerate()}
    found |= {f"thread of the kernel's number {path.name}" for path in Path("/proc/self/task").iterdir()}
    found |= _children()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"descriptor {path.name} of {os.readlink(path)}")
        except FileNotFoundError:
            continue  # the one that lists the directory
    return found


def _children() -> set[str]:
    """Processes whose parent is this one, those that ended unseen too."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(words[2].split()[1]) == os.getpid():
            found.add(f"child process {words[0].replace('(', '')}")
    return found


def left_of(before: set[str]) -> list[str]:
    """What is held more than before; a thread that was joined may be seen a little longer."""
    limit = time.monotonic() + _SETTLE_SECONDS
    while (left := sorted(held() - before)) and time.monotonic() < limit:
        time.sleep(0.02)
    return left
