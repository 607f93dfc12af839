"""Which capabilities the process lacks (capabilities(7); bits of linux/capability.h)."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["missing_privileges"]

_NEEDED = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


def missing_privileges(proc_root: Path) -> tuple[str, ...]:
    """Names of the needed capabilities that are not effective."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", (proc_root / "self/status").read_text(), re.MULTILINE)
    effective = int(found[1], 16) if found else 0
    return tuple(name for name, bit in _NEEDED.items() if not effective >> bit & 1)
