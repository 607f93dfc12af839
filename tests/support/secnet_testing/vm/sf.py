"""Subfunctions of the module fakesf: see tests/vm/fakesf."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..netns import run_in
from .nic import load, port_name, wait_until

__all__ = ["Subfunction", "Subfunctions", "subfunctions_of"]

_AUXILIARY = Path("/sys/bus/auxiliary/devices")
_FIRST_PORT = 32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Subfunction:
    """An active subfunction. device: its name on the auxiliary bus, such as mlx5_core.sf.2."""

    device: str
    number: int

    @property
    def netdevs(self) -> list[str]:
        """Its network devices in this namespace."""
        folder = _AUXILIARY / self.device / "net"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    @property
    def representor(self) -> str:
        """The link that stands for it on the host."""
        wanted = f"pf0sf{self.number}"
        return next(link.name for link in Path("/sys/class/net").iterdir() if port_name(link) == wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subfunctions:
    """Makes and removes subfunctions of the physical function at a PCI address."""

    parent: str

    def add(self, number: int, mac: str) -> Subfunction:
        """Make one and activate it; returns it when its network device is there."""
        before = set(os.listdir(_AUXILIARY))
        devlink = f"pci/{self.parent}"
        run_in(None, ["devlink", "port", "add", devlink, "flavour", "pcisf", "pfnum", "0", "sfnum", str(number)])
        port = f"{devlink}/{_FIRST_PORT + number}"
        run_in(None, ["devlink", "port", "function", "set", port, "hw_addr", mac, "state", "active"])
        (device,) = set(os.listdir(_AUXILIARY)) - before
        made = Subfunction(device=device, number=number)
        wait_until(lambda: made.netdevs, f"the network device of {device}")
        return made

    def remove(self, number: int) -> None:
        """Remove one, wherever its network device is."""
        run_in(None, ["devlink", "port", "del", f"pci/{self.parent}/{_FIRST_PORT + number}"])


@contextmanager
def subfunctions_of(parent: str) -> Iterator[Subfunctions]:
    """Let a physical function have subfunctions, until the end; needs the mark's `modules=("fakesf",)`."""
    load("igb")
    subprocess.run(["insmod", os.environ["SECNET_VM_FAKESF"], f"parent={parent}"], check=True)
    try:
        yield Subfunctions(parent=parent)
    finally:
        subprocess.run(["rmmod", "fakesf"], check=True)
