"""What a guest boots from: QEMU, a kernel with its modules, an initrd. Made once, in a cache folder outside the checkout.

The folder is SECNET_VM_CACHE, or `secnet-vm` in the user's cache folder. It needs neither root nor a change of the machine:
packages are fetched through an apt root of their own, and QEMU runs with its own loader and libraries.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .apt import PrepareError, PrivateApt, machine_mirror, unpack
from .initrd import make_initrd
from .kernel import PrivateTools, build_module, depmod, vmlinux

__all__ = ["Image", "cache_folder", "prepare"]

_RECIPE = 1
"""Raised with each change of what is made, so that an older image is not taken for it."""
_CODENAME = re.compile(r"^VERSION_CODENAME=(\w+)$", re.MULTILINE)
# Debian 12's own QEMU has no network card with virtual functions.
_BACKPORTS = {"bookworm": "bookworm-backports"}
_USELESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/include")
FAKESF = Path(__file__).resolve().parents[3] / "vm" / "fakesf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A prepared image. folder: holds vmlinux, initrd, `qemu` and the layer `extra`. version: the kernel's."""

    folder: Path
    version: str

    @property
    def tools(self) -> PrivateTools:
        """The programs of the image, QEMU among them."""
        return PrivateTools(root=self.folder / "qemu")

    @property
    def extra(self) -> Path:
        """The layer between the machine's root and the guest's memory."""
        return self.folder / "extra"

    @property
    def headers(self) -> Path:
        """The kernel's headers, to build modules with."""
        return self.folder / "headers/usr/src" / f"linux-headers-{self.version}"

    def module(self, name: str) -> Path:
        """A module of our own, built when first asked for: `fakesf`, or `netdevsim`, for which the kernel's sources are fetched.

        Raises MirrorUnreachable or PrepareError.
        """
        build = {"fakesf": _build_fakesf, "netdevsim": _build_netdevsim}[name]
        content = b"".join(file.read_bytes() for file in sorted(FAKESF.iterdir())) if name == "fakesf" else b""
        made = self.folder / "modules" / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.ko"
        with _locked(self.folder.parent):
            if not made.exists():
                _say(f"building {name} for kernel {self.version}")
                with _scratch(self.folder.parent) as work:
                    _write(made, build(self, work))
        return made


def cache_folder() -> Path:
    """Where images are kept."""
    if chosen := os.environ.get("SECNET_VM_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secnet-vm"


def prepare() -> Image:
    """The image for this machine, made now if there is none. Takes about half a minute then, and 400 MB.

    Raises MirrorUnreachable when packages are needed and no mirror answers, PrepareError for all else.
    """
    if platform.machine() != "x86_64":
        raise PrepareError(f"guests are made for x86_64, and this machine is {platform.machine()}")
    cache, suite = cache_folder(), _suite()
    folder = cache / f"{suite}-{_RECIPE}"
    with _locked(cache):
        if not folder.exists():
            with _scratch(cache) as work:
                _make(work / "image", work, suite)
                os.replace(work / "image", folder)
    return Image(folder=folder, version=(folder / "version").read_text())


def _suite() -> str:
    """The Debian release whose packages are taken: this machine's, so that its compiler fits the kernel's headers."""
    found = _CODENAME.search(Path("/etc/os-release").read_text())
    if not found:
        raise PrepareError("/etc/os-release names no release of Debian")
    return found[1]


def _apt(folder: Path, suite: str) -> PrivateApt:
    backports = _BACKPORTS.get(suite)
    apt = PrivateApt(folder, machine_mirror(suite), [suite, *([backports] if backports else [])], backports)
    apt.update()
    return apt


def _make(folder: Path, work: Path, suite: str) -> None:
    _say(f"QEMU and a kernel of {suite}")
    apt = _apt(work / "apt", suite)
    (kernel,) = [name for name in apt.depends("linux-image-amd64") if name.startswith("linux-image-")]
    version = kernel.removeprefix("linux-image-")
    tools = PrivateTools(root=folder / "qemu")
    unpack(apt.fetch_with_dependencies("qemu-system-x86", "busybox-static", "kmod", "zstd"), tools.root)
    (image,) = apt.fetch(work / "kernel", kernel)
    unpack([image], work / "unpacked")
    modules = folder / "extra/usr/lib/modules"
    modules.mkdir(parents=True)
    shutil.move(work / "unpacked/usr/lib/modules" / version, modules)
    depmod(folder / "extra", version, tools)
    _own_modprobe(folder / "extra", tools)
    packed = (work / f"unpacked/boot/vmlinuz-{version}").read_bytes()
    (folder / "vmlinux").write_bytes(vmlinux(packed, tools))
    busybox = (tools.root / "usr/bin/busybox").read_bytes()
    (folder / "initrd").write_bytes(make_initrd(modules / version, busybox))
    _headers(apt, folder, work, version)
    for useless in _USELESS:
        shutil.rmtree(tools.root / useless, ignore_errors=True)
    (folder / "modules").mkdir()
    (folder / "version").write_text(version)


def _own_modprobe(layer: Path, tools: PrivateTools) -> None:
    """Give the guest modprobe and its like, which a small machine lacks; they bring their own libraries."""
    place = Path("usr/lib/secnet-vm")
    (layer / place).mkdir()
    for file in ("ld-linux-x86-64.so.2", "libc.so.6", *_libraries_of_kmod(tools)):
        shutil.copy(tools.libraries / file, layer / place)
    shutil.copy(tools.root / "usr/bin/kmod", layer / place)
    (layer / "usr/sbin").mkdir()
    for name in ("modprobe", "insmod", "rmmod"):
        script = layer / "usr/sbin" / name
        loader = f"/{place}/ld-linux-x86-64.so.2 --argv0 {name} --library-path /{place} /{place}/kmod"
        script.write_text(f'#!/bin/sh\nexec {loader} "$@"\n')
        script.chmod(0o755)


def _libraries_of_kmod(tools: PrivateTools) -> list[str]:
    text = tools.run(Path("usr/bin/kmod"), "--version").decode()
    wanted = {"+XZ": "liblzma.so.5", "+ZSTD": "libzstd.so.1", "+LIBCRYPTO": "libcrypto.so.3"}
    return [library for word, library in wanted.items() if word in text]


def _headers(apt: PrivateApt, folder: Path, work: Path, version: str) -> None:
    plain = version.removesuffix("-amd64")
    names = (f"linux-headers-{version}", f"linux-headers-{plain}-common", f"linux-kbuild-{plain}")
    headers = folder / "headers"
    unpack(apt.fetch(work / "headers", *names), headers)
    makefile = headers / "usr/src" / f"linux-headers-{version}" / "Makefile"
    # It names the common part by its place on an installed system. The folder is moved to its final name afterwards.
    makefile.write_text(makefile.read_text().replace("/usr/src/", "$(dir $(lastword $(MAKEFILE_LIST)))../"))


def _build_fakesf(image: Image, work: Path) -> bytes:
    return build_module(FAKESF, "fakesf", image.headers, work)


def _build_netdevsim(image: Image, work: Path) -> bytes:
    apt = _apt(work / "apt", _suite())
    name = f"linux-source-{'.'.join(image.version.split('.')[:2])}"
    _say(f"{name}, which is 150 MB")
    unpack(apt.fetch(work / "fetched", name), work / "unpacked")
    source = _made(work / "source")
    (packed,) = (work / "unpacked/usr/src").glob("linux-source-*.tar.xz")
    with tarfile.open(packed, "r|xz") as sources:
        # What a stream passes once is not there a second time: members are taken while it runs.
        for member in sources:
            _, _, path = member.name.partition("/")
            if member.isfile() and Path(path).parent == Path("drivers/net/netdevsim"):
                content = sources.extractfile(member)
                assert content is not None
                (source / Path(path).name).write_bytes(content.read())
    return build_module(source, "netdevsim", image.headers, _made(work / "build"), "CONFIG_NETDEVSIM=m")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no one else makes an image or a module here."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder beside the images, gone afterwards; what a killed run left of its own goes with it."""
    for old in folder.glob("making-*"):
        shutil.rmtree(old)
    work = Path(tempfile.mkdtemp(prefix="making-", dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _say(text: str) -> None:
    print(f"vm: {text}", file=sys.stderr, flush=True)
