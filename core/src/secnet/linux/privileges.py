"""Which capabilities this process lacks (capabilities(7); bits of linux/capability.h)."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["lacking"]

_BITS = {"CAP_CHOWN": 0, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_MODULE": 16, "CAP_SYS_ADMIN": 21}


def lacking(proc_root: Path, *names: str) -> str:
    """What is missing for a driver that needs these capabilities, in words for a ProbeReport; empty if nothing is.

    names: as in capabilities(7), of those that the agent or a network driver may need; another one is a KeyError.
    """
    bits = {name: _BITS[name] for name in names}
    try:
        status = (proc_root / "self/status").read_text()
    except OSError as exc:
        return f"the process's own status cannot be read: {exc}; mount /proc"
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    effective = int(found[1], 16) if found else 0
    missing = [name for name, bit in bits.items() if not effective >> bit & 1]
    return f"{', '.join(missing)} missing; run the agent as root" if missing else ""
