"""A backend that is wrong only when others are at work at the same time, and sees to it that they are."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from secnet.contract import Call

from .leases import ListBackend

__all__ = ["DoublesWhenRaced"]

_LONG_SECONDS = 3.0
"""How long it waits for another one who may come. No one comes where only one owner asks, so this is not more."""

_LOOK_SECONDS = 0.01


class DoublesWhenRaced(ListBackend):
    """Writes over what another wrote meanwhile.

    Who has chosen an address waits until another has chosen too, or has written: so the fault does not hang on the
    speed of the machine.
    """

    ipam_type = "doubles-when-raced"

    def write(self, pool: dict[str, Any], entries: list[dict[str, Any]], step: str, call: Call) -> bool:
        assert self.objects is not None
        name = pool["metadata"]["name"]
        mark = self.host.run_dir / f"chosen-{os.getpid()}-{threading.get_ident()}"
        mark.touch()
        try:
            if step == "lease.add":
                self.wait_for_another(name, pool["metadata"]["resourceVersion"])
            while super().write(pool, entries, step, call):
                pool = self.objects.get("IPPool", name)
        finally:
            mark.unlink()
        return False

    def wait_for_another(self, name: str, seen: str) -> None:
        """Until somebody else stands here as well, or has been here since the pool was read."""
        assert self.objects is not None
        end = time.monotonic() + _LONG_SECONDS
        while time.monotonic() < end:
            if len(list(self.host.run_dir.glob("chosen-*"))) > 1:
                return
            if self.objects.get("IPPool", name)["metadata"]["resourceVersion"] != seen:
                return
            time.sleep(_LOOK_SECONDS)
