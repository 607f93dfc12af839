"""The guest's kernel: its image uncompressed, its modules indexed, and modules of our own built for it."""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .apt import PrepareError

__all__ = ["PrivateTools", "build_module", "depmod", "vmlinux"]

_ELF = b"\x7fELF"
_ZSTD, _XZ = b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateTools:
    """Programs unpacked into `root`, run with their own loader and libraries: they need not fit this machine's."""

    root: Path

    @property
    def libraries(self) -> Path:
        """Where their libraries are."""
        return self.root / "usr/lib/x86_64-linux-gnu"

    def command(self, program: Path, *, name: str | None = None) -> list[str]:
        """What to run for a program below the root, as `name` where it goes by its name."""
        as_name = ["--argv0", name] if name else []
        loader = self.libraries / "ld-linux-x86-64.so.2"
        return [str(loader), *as_name, "--library-path", str(self.libraries), str(self.root / program)]

    def run(self, program: Path, *args: str, name: str | None = None, stdin: bytes = b"") -> bytes:
        """Run it; returns what it printed. Raises PrepareError when it fails."""
        argv = [*self.command(program, name=name), *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise PrepareError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr.decode()[-500:]}")
        return done.stdout


def vmlinux(image: bytes, tools: PrivateTools) -> bytes:
    """The ELF kernel inside a bzImage (Documentation/arch/x86/boot.rst). Booted as it is, it saves the emulated CPU a second."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    payload = image[begin : begin + length]
    if payload.startswith(_XZ):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(_ZSTD):
        # The last four bytes are the length of the kernel, which is no part of the stream.
        kernel = tools.run(Path("usr/bin/zstd"), "-dcq", stdin=payload[:-4])
    else:
        raise PrepareError(f"the kernel image is packed in an unknown way: it begins with {payload[:6].hex()}")
    if not kernel.startswith(_ELF):
        raise PrepareError("what the kernel image holds is no ELF file")
    return kernel


def depmod(root: Path, version: str, tools: PrivateTools) -> None:
    """Index the modules below `root`/usr/lib/modules/`version`."""
    # A kmod that looks below /lib finds them through the root's parent, one that looks below /usr/lib through the root.
    link = root / "lib"
    link.symlink_to("usr/lib")
    try:
        tools.run(Path("usr/bin/kmod"), "-b", str(root), version, name="depmod")
    finally:
        link.unlink()
    if not (root / "usr/lib/modules" / version / "modules.dep.bin").exists():
        raise PrepareError(f"depmod made no index of the modules of {version}")


def build_module(source: Path, name: str, headers: Path, work: Path, *options: str) -> bytes:
    """Build the kernel module `name` of a folder of sources, with this machine's gcc; returns the stripped module.

    headers: the unpacked kernel headers. work: where it is built. Raises PrepareError with the compiler's last words.
    """
    for program in ("gcc", "make", "strip"):
        if shutil.which(program) is None:
            raise PrepareError(f"{program} is missing, which builds {name} for the guest: apt-get install gcc make")
    shutil.copytree(source, work, dirs_exist_ok=True)
    # Without type information, which would need pahole; and with the compiler at hand, whatever the kernel's own was.
    plain = ("CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CC=gcc")
    argv = ["make", "-s", "-C", str(headers), f"M={work}", *plain, *options, "modules"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise PrepareError(f"{name} cannot be built for the guest's kernel: {done.stdout[-2000:]}")
    stripped = work / f"{name}.stripped"
    subprocess.run(["strip", "--strip-debug", "-o", stripped, work / f"{name}.ko"], check=True)
    return stripped.read_bytes()
