"""Programs that a test starts, and that must not outlive it however it ends."""

from __future__ import annotations

import os

__all__ = ["ending_with_us"]


def ending_with_us() -> list[str]:
    """Words before a command: it ends with the thread that starts it, and does not begin if this process ended meanwhile."""
    check = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", check, "sh", str(os.getpid())]
