"""A virtual machine as a Pod's launcher starts it: QEMU on a tap in the Pod's network namespace, on this machine itself.

Its first file system is all it has: busybox and the driver of the network card. It takes its address from the kernel's command
line, and its kernel answers echo requests.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from secnet_conformance.netns import Namespace

from ..ending import ending_with_us
from .image import Image
from .initrd import small_system
from .lanes import BOOT_SECONDS, BOOTS
from .machine import GuestFailed

__all__ = ["TapGuest"]

_APPLETS = ("cat", "echo", "insmod", "ip", "mount", "sh", "sleep")
_KERNEL = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr net.ifnames=0 audit=0"
_BOOTED = "guest: answers"
_POLL_SECONDS = 0.02
_MEMORY = 192  # MiB

_INIT = """\
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
{insert}
for word in $(cat /proc/cmdline); do
  case $word in guest.address=*) ip address add "${{word#*=}}" dev eth0 ;; esac
done
ip link set eth0 up
echo "guest: answers"
while true; do sleep 1000; done
"""


class TapGuest:
    """A running guest with one card, on the tap `tap` of a namespace. `close` ends it; the tap stays.

    mac, address: what the guest itself has; the address with its prefix length. Raises GuestFailed if it does not boot.
    """

    def __init__(self, image: Image, netns: Namespace, tap: str, *, mac: str, address: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sn-vm-"))
        self._console = self._folder / "console"
        (self._folder / "initrd").write_bytes(_initrd(image))
        self._argv = [
            *ending_with_us(),
            *("nsenter", f"--net={netns.path}", "--"),
            *_qemu(image, self._folder, tap, mac, address),
        ]
        try:
            self._process = self._boot()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def close(self) -> None:
        """End it and remove its files."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)

    def _boot(self) -> subprocess.Popen[bytes]:
        """Boot, again where a boot hangs (see `lanes`)."""
        for _ in range(BOOTS):
            with (self._folder / "errors").open("wb") as errors:
                process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
            if self._is_booted(process):
                return process
            process.kill()
            process.wait()
        texts = ((self._folder / name).read_text(errors="replace") for name in ("console", "errors"))
        raise GuestFailed("\n".join(("the guest has not booted", *texts)))

    def _is_booted(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + BOOT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self._console.exists() and _BOOTED in self._console.read_text(errors="replace"):
                return True
            time.sleep(_POLL_SECONDS)
        return False


def _initrd(image: Image) -> bytes:
    modules = image.extra / "usr/lib/modules" / image.version
    busybox = (image.tools.root / "usr/bin/busybox").read_bytes()
    return small_system(modules, busybox, _INIT, _APPLETS, ("virtio_net",))


def _qemu(image: Image, folder: Path, tap: str, mac: str, address: str) -> list[str]:
    share = image.tools.root / "usr/share"
    return [
        *image.tools.command(Path("usr/bin/qemu-system-x86_64")),
        *("-L", str(share / "qemu"), "-L", str(share / "seabios")),
        *("-accel", "tcg", "-cpu", "max", "-M", "q35", "-m", str(_MEMORY), "-smp", "1"),
        *("-display", "none", "-nodefaults", "-no-reboot", "-serial", f"file:{folder / 'console'}"),
        *("-kernel", str(image.folder / "vmlinux"), "-initrd", str(folder / "initrd")),
        *("-append", f"{_KERNEL} guest.address={address}"),
        *("-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac},romfile="),
    ]
