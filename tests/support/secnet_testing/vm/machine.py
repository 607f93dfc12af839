"""One guest: QEMU with emulated Intel 82576 cards, which have virtual functions, and a command that runs inside.

Each physical function is an igb card behind a root port of its own, so that it can be unplugged. All of them, and a plain card
to watch from (the wire), are joined by a hub: what one sends the others hear, with its tags.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..ending import ending_with_us
from .image import Image

__all__ = ["WIRE_MAC", "Guest", "GuestFailed", "Hardware", "TimeIsUp", "pf_mac"]

WIRE_MAC = "52:54:00:aa:00:ff"
_KERNEL = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr net.ifnames=0 audit=0"
_TAIL = 2500


class GuestFailed(Exception):
    """A guest ended without an exit code of its command; the text has the end of its console."""


class TimeIsUp(GuestFailed):
    """The guest was still running when its time was up, and was ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a guest is made of. functions: physical functions, each with 7 virtual ones. memory: in MiB."""

    functions: int = 2
    iommu: bool = False
    memory: int = 1024
    cpus: int = 1


def pf_mac(number: int) -> str:
    """The address of the physical function `pf1`, `pf2`, ..."""
    return f"52:54:00:aa:00:{number:02x}"


class Guest:
    """A running guest. A context manager: at its end QEMU is gone, and so is what the guest wrote.

    command: runs in the guest as root, in `folder`, with `environment`. out: the folder that the guest sees as /out; its
    standard output and error are in `output`, and QEMU's monitor is the serial port `org.secnet.monitor` inside.
    """

    def __init__(
        self,
        image: Image,
        command: Sequence[str],
        *,
        hardware: Hardware | None = None,
        folder: Path = Path("/"),
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        # A short path: that of a socket has at most 107 characters.
        self.out = Path(tempfile.mkdtemp(prefix="sn-vm-"))
        for name, content in (files or {}).items():
            (self.out / name).write_bytes(content)
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in (environment or {}).items())
        (self.out / "command").write_text(
            f"{exports}cd {shlex.quote(str(folder))} || exit 126\n{shlex.join(command)}\n"
        )
        argv = [*ending_with_us(), *_qemu(image, hardware or Hardware(), self.out)]
        with (self.out / "errors").open("wb") as errors:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU still runs."""
        return self._process.poll() is None

    @property
    def booted(self) -> bool:
        """Whether the command has begun."""
        return (self.out / "output").exists()

    @property
    def output(self) -> str:
        """What the command printed so far."""
        return self._text("output")

    def wait(self, seconds: float) -> int:
        """The command's exit code, once the guest ended. Raises GuestFailed when there is none, TimeIsUp after `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeIsUp(f"the guest was still running after {seconds:g} s\n{self.post_mortem()}") from None
        code = self._text("code")
        if not code:
            raise GuestFailed(
                f"the guest ended before its command did (QEMU: {self._process.returncode})\n{self.post_mortem()}"
            )
        return int(code)

    def kill(self) -> None:
        """End QEMU at once; nothing if it ended already."""
        self._process.kill()
        self._process.wait()

    def post_mortem(self) -> str:
        """The end of all that a dead guest left: its output, its console, QEMU's errors."""
        parts = [(name, self._text(name).strip()[-_TAIL:]) for name in ("output", "console", "errors")]
        return "\n".join(f"--- {name}\n{text}" for name, text in parts if text)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.out)

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _text(self, name: str) -> str:
        try:
            return (self.out / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""


def _qemu(image: Image, hardware: Hardware, out: Path) -> list[str]:
    share = image.tools.root / "usr/share"
    machine, kernel = "q35", _KERNEL
    devices: list[str] = []
    if hardware.iommu:
        machine, kernel = "q35,kernel-irqchip=split", f"{kernel} intel_iommu=on iommu=pt"
        devices += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
    return [
        *image.tools.command(Path("usr/bin/qemu-system-x86_64")),
        *("-L", str(share / "qemu"), "-L", str(share / "seabios")),
        *("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-M", machine),
        *("-m", str(hardware.memory), "-smp", str(hardware.cpus)),
        *("-display", "none", "-nodefaults", "-no-reboot", "-serial", f"file:{out / 'console'}"),
        *("-kernel", str(image.folder / "vmlinux"), "-initrd", str(image.folder / "initrd"), "-append", kernel),
        *("-device", "virtio-rng-pci"),
        *_shared("host", Path("/"), read_only=True),
        *_shared("extra", image.extra, read_only=True),
        *_shared("out", out, read_only=False),
        *_monitor(out),
        *devices,
        *_network(hardware.functions),
    ]


def _shared(name: str, path: Path, *, read_only: bool) -> list[str]:
    mode = "readonly=on,multidevs=remap" if read_only else "multidevs=remap"
    return [
        *("-fsdev", f"local,id={name},path={path},security_model=none,{mode}"),
        *("-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"),
    ]


def _monitor(out: Path) -> list[str]:
    """QEMU's monitor as a serial port of the guest: so a test inside can pull the card out from under itself."""
    socket = out / "monitor"
    return [
        *("-chardev", f"socket,id=monitor,path={socket},server=on,wait=off", "-mon", "chardev=monitor,mode=control"),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=inside,path={socket}"),
        *("-device", "virtserialport,chardev=inside,name=org.secnet.monitor"),
    ]


def _network(functions: int) -> list[str]:
    devices: list[str] = []
    for number in range(1, functions + 1):
        devices += ["-device", f"pcie-root-port,id=rp{number},chassis={number},slot={number}"]
        devices += ["-netdev", f"hubport,id=h{number},hubid=0"]
        devices += ["-device", f"igb,id=pf{number},bus=rp{number},netdev=h{number},mac={pf_mac(number)},romfile="]
    if functions:
        devices += ["-netdev", "hubport,id=hw,hubid=0"]
        devices += ["-device", f"virtio-net-pci,id=wire,netdev=hw,mac={WIRE_MAC},romfile="]
    return devices
