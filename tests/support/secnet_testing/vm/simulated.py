"""A physical function of the kernel's netdevsim: it takes every attribute of a virtual function, and passes no frame."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .nic import load, wait_until, write

__all__ = ["simulated_card"]

_BUS = Path("/sys/bus/netdevsim")
_NUMBER = 10


@contextmanager
def simulated_card(functions: int) -> Iterator[str]:
    """Make one with so many virtual functions; yields its link. Needs the mark's `modules=("netdevsim",)`."""
    load("psample", "macsec", "udp_tunnel")
    subprocess.run(["insmod", os.environ["SECNET_VM_NETDEVSIM"]], check=True)
    try:
        write(_BUS / "new_device", f"{_NUMBER} 1")
        device = _BUS / "devices" / f"netdevsim{_NUMBER}"
        wait_until(lambda: list(device.glob("net/*")), "the simulated card has its link")
        write(device / "sriov_numvfs", str(functions))
        yield next(device.glob("net/*")).name
        write(device / "sriov_numvfs", "0")
        write(_BUS / "del_device", str(_NUMBER))
    finally:
        subprocess.run(["rmmod", "netdevsim"], check=True)
