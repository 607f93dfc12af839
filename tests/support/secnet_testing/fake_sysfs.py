"""A sysfs tree with a network card in it: physical functions, virtual functions, subfunctions, representors.

It looks as the kernel's own: devices are folders below the bus they hang on, and the bus's list leads there by symbolic links.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["FakeSys"]

_ETHERNET = "0x020000"


class FakeSys:
    """Builds and changes the tree below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for bus in ("pci", "auxiliary"):
            (root / "bus" / bus / "devices").mkdir(parents=True, exist_ok=True)
            (root / "bus" / bus / "drivers").mkdir(exist_ok=True)

    def path(self, device: str) -> Path:
        """The device's own folder."""
        for bus in ("pci", "auxiliary"):
            link = self.root / "bus" / bus / "devices" / device
            if link.is_symlink():
                return link.parent / os.readlink(link)
        raise AssertionError(f"no device {device}")

    def pf(self, device: str, netdev: str = "", total: int = 8, driver: str = "igb") -> None:
        """A physical function, with its link."""
        folder = self._device("pci", device, f"pci0000:00/{device}")
        (folder / "class").write_text(f"{_ETHERNET}\n")
        (folder / "sriov_totalvfs").write_text(f"{total}\n")
        (folder / "sriov_numvfs").write_text("0\n")
        self.bind(device, driver)
        if netdev:
            self.netdev(device, netdev)

    def vf(self, parent: str, number: int, device: str, driver: str = "igbvf") -> None:
        """A virtual function; without `parent`, as a virtual machine sees it."""
        folder = self._device("pci", device, f"pci0000:00/{device}")
        (folder / "class").write_text(f"{_ETHERNET}\n")
        if driver:
            self.bind(device, driver)
        if parent:
            above = self.path(parent)
            (folder / "physfn").symlink_to(os.path.relpath(above, folder))
            (above / f"virtfn{number}").symlink_to(os.path.relpath(folder, above))
            (above / "sriov_numvfs").write_text(f"{number + 1}\n")

    def sf(self, parent: str, device: str, number: int, driver: str = "mlx5_core.sf") -> None:
        """A subfunction of a physical function."""
        folder = self._device("auxiliary", device, f"pci0000:00/{parent}/{device}")
        (folder / "sfnum").write_text(f"{number}\n")
        self.bind(device, driver)

    def netdev(self, device: str, name: str, port_name: str = "") -> None:
        """A link of the device; with `port_name`, such as `pf0vf3`, a representor of that function."""
        folder = self.path(device) / "net" / name
        folder.mkdir(parents=True)
        if port_name:
            (folder / "phys_port_name").write_text(f"{port_name}\n")

    def without_netdev(self, device: str) -> None:
        """The device's links are somewhere else."""
        shutil.rmtree(self.path(device) / "net", ignore_errors=True)

    def bind(self, device: str, driver: str) -> None:
        """Bind a driver."""
        folder = self.path(device)
        bus = "auxiliary" if device.count(".") > 1 else "pci"
        home = self.root / "bus" / bus / "drivers" / driver
        home.mkdir(exist_ok=True)
        for name in ("bind", "unbind"):
            (home / name).touch()
        self.unbind(device)
        (folder / "driver").symlink_to(os.path.relpath(home, folder))

    def unbind(self, device: str) -> None:
        """Leave the device without a driver."""
        (self.path(device) / "driver").unlink(missing_ok=True)

    def remove(self, device: str) -> None:
        """Take the device off the bus."""
        folder = self.path(device)
        physfn = folder / "physfn"
        if physfn.is_symlink():
            for link in (folder / os.readlink(physfn)).glob("virtfn*"):
                if os.path.basename(os.readlink(link)) == device:
                    link.unlink()
        for bus in ("pci", "auxiliary"):
            (self.root / "bus" / bus / "devices" / device).unlink(missing_ok=True)
        shutil.rmtree(folder)

    def _device(self, bus: str, device: str, place: str) -> Path:
        folder = self.root / "devices" / place
        folder.mkdir(parents=True)
        listed = self.root / "bus" / bus / "devices" / device
        listed.symlink_to(os.path.relpath(folder, listed.parent))
        return folder
