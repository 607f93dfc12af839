"""IPAM backends with a dependency that may hang: a lock file that somebody else may hold. The first is right."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from secnet.contract import Call, CheckReport, IpamLease, IpamRequest

from .leases import ListBackend

__all__ = ["LOCK", "AllocateHangs", "CheckHangs", "InventoryHangs", "LockedBackend", "ReleaseHangs"]

LOCK = "list.lock"
"""File in the run directory that is held during each call."""

_PAUSE_SECONDS = 0.02


class LockedBackend(ListBackend):
    """Waits for the lock as long as the call allows."""

    ipam_type = "locked"
    hanging: frozenset[str] = frozenset()
    """Methods that wait whatever the call says."""

    @contextmanager
    def locked(self, call: Call, method: str) -> Iterator[None]:
        number = os.open(self.host.run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            if method in self.hanging:
                fcntl.flock(number, fcntl.LOCK_EX)
            else:
                self._wait(number, call)
            yield
        finally:
            os.close(number)

    def _wait(self, number: int, call: Call) -> None:
        while True:
            try:
                return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                call.sleep(_PAUSE_SECONDS)

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        with self.locked(call, "allocate"):
            return super().allocate(request, call)

    def release(self, request: IpamRequest, call: Call) -> None:
        with self.locked(call, "release"):
            super().release(request, call)

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        with self.locked(call, "check"):
            return super().check(lease, config, call)

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        with self.locked(call, "inventory"):
            return super().inventory(call)


class AllocateHangs(LockedBackend):
    """allocate waits for the lock for ever."""

    ipam_type = "allocate-hangs"
    hanging = frozenset({"allocate"})


class ReleaseHangs(LockedBackend):
    """release waits for the lock for ever."""

    ipam_type = "release-hangs"
    hanging = frozenset({"release"})


class CheckHangs(LockedBackend):
    """check waits for the lock for ever."""

    ipam_type = "check-hangs"
    hanging = frozenset({"check"})


class InventoryHangs(LockedBackend):
    """inventory waits for the lock for ever."""

    ipam_type = "inventory-hangs"
    hanging = frozenset({"inventory"})
