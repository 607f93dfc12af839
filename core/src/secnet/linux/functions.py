"""Functions of network cards as sysfs shows them: physical functions, virtual functions and subfunctions.

    card = Functions(host.sysfs_root)
    function = card.get("0000:3b:02.1")

An id is a PCI address or the name of an auxiliary device, such as `mlx5_core.sf.2`. It reaches paths: anything else is refused.
sysfs shows the netdevs of one network namespace, that of the process that mounted it: a netdev that was moved to a Pod is not
visible.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import InvalidConfig

from .errors import from_errno, translated

__all__ = ["AUXILIARY", "PCI", "Function", "Functions", "bus_of"]

PCI = "pci"
AUXILIARY = "auxiliary"

_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_AUXILIARY_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{1,32}\.[0-9]{1,10}")
# phys_port_name of representors, Documentation/networking/representors.rst. With `c` it is of another host's controller.
_REPRESENTOR = re.compile(r"(?:c\d+)?pf\d+(?:(?:vf|sf)\d+)?")
_LOCAL_REPRESENTOR = re.compile(r"pf\d+(vf|sf)(\d+)")
_NETWORK_CLASS = "0x02"
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of a card.

    bus: `pci` or `auxiliary`. driver: empty if none is bound. netdevs: names of its links on the host.
    parent: PCI address of the physical function; empty where it is not to be seen, as in a virtual machine.
    number: of a virtual function among those of its parent, or of a subfunction (sfnum); None if unknown.
    total, enabled: virtual functions that this function can have, and has.
    iommu_group: empty without one. rdma: names of its RDMA devices.
    """

    id: str
    bus: str
    driver: str = ""
    netdevs: tuple[str, ...] = ()
    parent: str = ""
    number: int | None = None
    total: int = 0
    enabled: int = 0
    iommu_group: str = ""
    rdma: tuple[str, ...] = ()


def bus_of(device: str) -> str:
    """`pci` or `auxiliary`, by the form of the id. Raises InvalidConfig, whose subject is the id, for anything else."""
    if _PCI_ADDRESS.fullmatch(device):
        return PCI
    if _AUXILIARY_NAME.fullmatch(device):
        return AUXILIARY
    raise InvalidConfig(
        f"{device!r} is neither a PCI address nor the name of an auxiliary device",
        hint="give one such as 0000:3b:02.1 or mlx5_core.sf.2",
        subject=f"device {device}",
    )


class Functions:
    """Reads functions below one root, and binds their drivers. Holds nothing open."""

    def __init__(self, sysfs_root: Path = Path("/sys")) -> None:
        self._root = sysfs_root

    def path(self, device: str) -> Path:
        """The folder of a device, which need not exist."""
        return self._root / "bus" / bus_of(device) / "devices" / device

    def get(self, device: str) -> Function | None:
        """The function of this id; None if it is not on the bus."""
        folder = self.path(device)
        if not folder.exists():
            return None
        bus = bus_of(device)
        parent, number = self._virtual(device, folder) if bus == PCI else _subfunction(folder)
        return Function(
            id=device,
            bus=bus,
            driver=_target(folder / "driver"),
            netdevs=_names(folder / "net"),
            parent=parent,
            number=number,
            total=_number(folder / "sriov_totalvfs") or 0,
            enabled=_number(folder / "sriov_numvfs") or 0,
            iommu_group=_target(folder / "iommu_group"),
            rdma=_names(folder / "infiniband"),
        )

    def is_network(self, device: str) -> bool:
        """Whether a PCI device is of the class of network devices; what is on the auxiliary bus has no class."""
        return bus_of(device) == AUXILIARY or _read(self.path(device) / "class").startswith(_NETWORK_CLASS)

    def all(self) -> tuple[Function, ...]:
        """The physical functions of network cards that can have virtual ones, these, and all subfunctions; sorted by id."""
        return tuple(sorted(self._all(), key=lambda function: (function.bus, function.id)))

    def _all(self) -> Iterator[Function]:
        for name in _names(self._root / "bus" / PCI / "devices"):
            function = self.of_card(name)
            if function is not None and (function.total or function.parent):
                yield function
        for name in _names(self._root / "bus" / AUXILIARY / "devices"):
            if (function := self.of_card(name)) is not None:
                yield function

    def of_card(self, device: str) -> Function | None:
        """The function of this id if it is one of a network card; None for anything else, whatever the id is."""
        if _PCI_ADDRESS.fullmatch(device):
            is_network = self.is_network(device)
        else:
            is_network = bool(_AUXILIARY_NAME.fullmatch(device)) and (self.path(device) / "sfnum").exists()
        return self.get(device) if is_network else None

    def uplink(self, parent: str) -> str:
        """Name of the physical function's own link; empty if it has none here. Representors lie in the same folder."""
        names = [name for name, port in self._ports(parent).items() if not _REPRESENTOR.fullmatch(port)]
        return names[0] if names else ""

    def representor(self, function: Function) -> str:
        """Name of the link that stands for this function in the card's switch; empty where it has none (no switchdev)."""
        if not function.parent or function.number is None:
            return ""
        wanted = ("vf" if function.bus == PCI else "sf", str(function.number))
        for name, port in self._ports(function.parent).items():
            found = _LOCAL_REPRESENTOR.fullmatch(port)
            if found and found.groups() == wanted:
                return name
        return ""

    def _ports(self, parent: str) -> Mapping[str, str]:
        """The links of a physical function, with the name of the switch port that each stands for, empty without one."""
        folder = self.path(parent) / "net"
        return {name: _read(folder / name / "phys_port_name") for name in _names(folder)}

    def bind(self, device: str, driver: str) -> None:
        """Have the driver take the device: its netdev appears again, maybe a little later. Bound to it already is success."""
        self._write(device, driver, "bind", errno.EBUSY)

    def unbind(self, device: str, driver: str) -> None:
        """Take the device from the driver: its netdev vanishes, in whatever namespace it is. Not bound is success."""
        self._write(device, driver, "unbind", errno.ENODEV)

    def _write(self, device: str, driver: str, what: str, done: int) -> None:
        if "/" in driver or driver in ("", ".", ".."):
            raise InvalidConfig(f"{driver!r} is no name of a driver", hint="see /sys/bus/pci/drivers", subject=driver)
        path = self._root / "bus" / bus_of(device) / "drivers" / driver / what
        try:
            # Not write_text: a buffered file reports the kernel's refusal when it is closed, or never.
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, device.encode())
            finally:
                os.close(fd)
        except OSError as exc:
            if exc.errno != done:
                doing = f"{what} of {device} by writing {path}"
                raise from_errno(exc.errno or 0, doing, subject=f"device {device}") from exc

    def _virtual(self, device: str, folder: Path) -> tuple[str, int | None]:
        """The physical function of a virtual one, and which of its functions this is."""
        parent = _target(folder / "physfn")
        if not _PCI_ADDRESS.fullmatch(parent):
            return "", None
        above = self.path(parent)
        for name in _names(above):
            if name.startswith("virtfn") and name[6:].isdigit() and _target(above / name) == device:
                return parent, int(name[6:])
        return parent, None


def _subfunction(folder: Path) -> tuple[str, int | None]:
    """The device that a subfunction was made on, and its number. The device's real folder lies in that of its parent."""
    parent = os.path.basename(os.path.dirname(os.path.realpath(folder)))
    return parent if _PCI_ADDRESS.fullmatch(parent) else "", _number(folder / "sfnum")


def _names(folder: Path) -> tuple[str, ...]:
    """What a folder holds, sorted; nothing if there is no such folder."""
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError as exc:
        if exc.errno in _ABSENT:
            return ()
        with translated(f"looking into {folder}"):
            raise


def _target(link: Path) -> str:
    """The last name of what a symbolic link leads to; empty if there is none."""
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""


def _read(file: Path) -> str:
    """The text of an attribute; empty where the driver refuses to say, as many do."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _read(file)
    return int(text) if text.isdigit() else None
