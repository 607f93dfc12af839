"""The emulated cards as a guest sees them: physical functions, their virtual functions, and the wire between them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..netns import Namespace, run_in
from .machine import WIRE_MAC

__all__ = ["PhysicalFunction", "load", "moved", "netdevs", "port_name", "wait_until", "wire_link", "write"]

_PCI = Path("/sys/bus/pci/devices")
_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], object], what: str, *, within: float = 20.0) -> None:
    """Wait until the condition is true; AssertionError with `what`."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(_POLL_SECONDS)


def write(path: Path, text: str) -> None:
    """Write an attribute of sysfs in one go. Raises OSError, which a buffered file would tell too late."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def load(*modules: str) -> None:
    """Load kernel modules."""
    subprocess.run(["modprobe", "-a", *modules], check=True)


def netdevs(address: str) -> list[str]:
    """The network devices of a PCI function that are in this namespace. Those elsewhere are not to be seen."""
    folder = _PCI / address / "net"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def port_name(link: Path) -> str:
    """What a representor stands for, by the folder of its link in sysfs; empty for most links."""
    try:
        return (link / "phys_port_name").read_text().strip()
    except OSError:
        return ""


@contextmanager
def moved(address: str, namespace: Namespace, cidr: str) -> Iterator[None]:
    """A function's network device as `net1` of a namespace, up and with an IP address; back under its name at the end."""
    (name,) = netdevs(address)
    run_in(None, ["ip", "link", "set", name, "netns", namespace.name, "name", "net1"])
    try:
        run_in(namespace, ["ip", "address", "add", cidr, "dev", "net1"])
        run_in(namespace, ["ip", "link", "set", "net1", "up"])
        yield
    finally:
        run_in(namespace, ["ip", "link", "set", "net1", "down"])
        run_in(namespace, ["ip", "link", "set", "net1", "netns", "1", "name", name])


def wire_link() -> str:
    """The name of the card that watches the wire."""
    (link,) = [link.name for link in Path("/sys/class/net").iterdir() if _mac(link) == WIRE_MAC]
    return link


def _mac(link: Path) -> str:
    # A link may go while the folder is read.
    return (link / "address").read_text().strip() if (link / "address").exists() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalFunction:
    """A physical function by its number in the guest: 1 is `pf1` of QEMU's."""

    number: int

    @property
    def address(self) -> str:
        """Its PCI address."""
        return f"0000:{self.number:02x}:00.0"

    @property
    def ifname(self) -> str:
        """The name of its network device; the kernel lists representors of its subfunctions beside it, which name their port."""
        folder = _PCI / self.address / "net"
        (name,) = (each for each in netdevs(self.address) if not port_name(folder / each))
        return name

    @property
    def present(self) -> bool:
        """Whether it is on the bus."""
        return (_PCI / self.address).exists()

    def make(self, count: int) -> list[str]:
        """Make virtual functions, as many as `count`; returns their addresses when each has its network device."""
        write(_PCI / self.address / "sriov_numvfs", str(count))
        addresses = [self.vf(number) for number in range(count)]
        for address in addresses:
            wait_until(functools.partial(netdevs, address), f"the network device of {address}")
        return addresses

    def remove(self) -> None:
        """Remove all its virtual functions."""
        write(_PCI / self.address / "sriov_numvfs", "0")

    def vf(self, number: int) -> str:
        """The PCI address of a virtual function."""
        return os.readlink(_PCI / self.address / f"virtfn{number}").rpartition("/")[2]

    def set_vf(self, number: int, *options: str) -> None:
        """`ip link set PF vf NUMBER OPTIONS...`."""
        run_in(None, ["ip", "link", "set", self.ifname, "vf", str(number), *options])

    def vf_info(self, number: int) -> dict[str, object]:
        """What the physical function says of a virtual one, as `ip -j link show` prints it."""
        (link,) = json.loads(run_in(None, ["ip", "-j", "-d", "link", "show", self.ifname]))
        info: dict[str, object] = link["vfinfo_list"][number]
        return info

    def come_back(self, count: int) -> None:
        """Wait for it after it was plugged in again, and make its virtual functions again."""
        wait_until(lambda: netdevs(self.address), f"{self.address} and its network device")
        self.up()
        self.make(count)

    def up(self) -> None:
        """Set its network device up and wait for its carrier."""
        run_in(None, ["ip", "link", "set", self.ifname, "up"])
        carrier = Path("/sys/class/net", self.ifname, "carrier")
        wait_until(lambda: carrier.read_text().strip() == "1", f"the carrier of {self.ifname}")
