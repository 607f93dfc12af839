"""Network sysctls of the host and of Pods: the files below `/proc/sys/net`, which follow the namespace of the thread.

A key is a path below that directory, such as `ipv4/conf/eth1/arp_notify`; slashes, because an interface name may hold dots.
The functions ending in `_in` act in a network namespace; all keys of one call share one thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from secnet.contract import InvalidConfig, NotReady, SecnetError, Unsupported

from .errors import from_errno
from .netns import in_netns

__all__ = [
    "make_writable",
    "read",
    "read_all",
    "read_all_in",
    "read_in",
    "silence_ipv6",
    "write",
    "write_all",
    "write_all_in",
    "write_in",
]

PROC = Path("/proc")

_MS_REMOUNT, _MS_BIND = 32, 4096  # linux/mount.h
_KEPT = {
    os.ST_NOSUID: 2,
    os.ST_NODEV: 4,
    os.ST_NOEXEC: 8,
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
}
"""Flags of a mount as statvfs(3) gives them, and as mount(2) takes them."""


def make_writable(*, proc_root: Path = PROC) -> bool:
    """Make /proc/sys writable in this process's mount namespace where a container runtime mounted it read-only.

    True if it was read-only. Raises MissingPrivilege where the process may not (CAP_SYS_ADMIN, AppArmor), InvalidConfig where
    /proc/sys is no mount of its own and /proc is read-only.
    """
    path = proc_root / "sys"
    flags = os.statvfs(path).f_flag
    if not flags & os.ST_RDONLY:
        return False
    kept = sum(number for flag, number in _KEPT.items() if flags & flag)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(None, os.fsencode(path), None, ctypes.c_ulong(_MS_REMOUNT | _MS_BIND | kept), None):
        hint = "give the container CAP_SYS_ADMIN and an AppArmor profile that lets it mount, or mount a writable /proc"
        raise from_errno(ctypes.get_errno(), "making /proc/sys writable", path=str(path), hint=hint)
    return True


def _file(proc_root: Path, key: str) -> Path:
    if not key or any(part in ("", ".", "..") for part in key.split("/")):
        raise InvalidConfig(f"{key!r} is not a sysctl key", hint="write it like ipv4/conf/eth1/arp_notify", path=key)
    return proc_root / "sys/net" / key


def _error(exc: OSError, doing: str, file: Path, key: str, proc_root: Path) -> SecnetError:
    if exc.errno == errno.ENOENT:
        family = key.split("/")[0]
        if not (proc_root / "sys/net" / family).is_dir():
            return Unsupported(f"{doing}: the kernel has no {family} sysctls", hint=f"enable {family}", path=str(file))
        return NotReady(f"{doing}: no such sysctl", hint="check that the interface exists", path=str(file))
    if exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        hint = "the agent needs a writable /proc/sys: give its container a proc mount of its own"
        return from_errno(exc.errno, doing, path=str(file), hint=hint)
    return from_errno(exc.errno or 0, doing, path=str(file))


def read(key: str, *, proc_root: Path = PROC) -> str | None:
    """The value in the calling thread's namespace, stripped; None if there is no such sysctl."""
    file = _file(proc_root, key)
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _error(exc, f"reading the sysctl {key}", file, key, proc_root) from exc


def read_all(keys: Iterable[str], *, proc_root: Path = PROC) -> dict[str, str | None]:
    """The values of several keys, as `read` gives them."""
    return {key: read(key, proc_root=proc_root) for key in keys}


def write(key: str, value: str, *, proc_root: Path = PROC) -> None:
    """Set a sysctl in the calling thread's namespace.

    Raises NotReady if the interface is missing, Unsupported if the protocol is, MissingPrivilege if /proc/sys is read-only,
    InvalidConfig if the kernel refuses the value.
    """
    file = _file(proc_root, key)
    try:
        # Not write_text: it would try to make a file that is missing.
        with file.open("r+b", buffering=0) as handle:
            handle.write(value.encode())
    except OSError as exc:
        raise _error(exc, f"setting the sysctl {key} to {value!r}", file, key, proc_root) from exc


def write_all(values: Mapping[str, str], *, proc_root: Path = PROC) -> None:
    """Set several sysctls in the order given; stops at the first that fails."""
    for key, value in values.items():
        write(key, value, proc_root=proc_root)


def read_in(fd: int, key: str, *, proc_root: Path = PROC) -> str | None:
    """`read` inside a network namespace."""
    return in_netns(fd, lambda: read(key, proc_root=proc_root))


def read_all_in(fd: int, keys: Iterable[str], *, proc_root: Path = PROC) -> dict[str, str | None]:
    """`read_all` inside a network namespace."""
    return in_netns(fd, lambda: read_all(keys, proc_root=proc_root))


def write_in(fd: int, key: str, value: str, *, proc_root: Path = PROC) -> None:
    """`write` inside a network namespace."""
    in_netns(fd, lambda: write(key, value, proc_root=proc_root))


def write_all_in(fd: int, values: Mapping[str, str], *, proc_root: Path = PROC) -> None:
    """`write_all` inside a network namespace."""
    in_netns(fd, lambda: write_all(values, proc_root=proc_root))


def silence_ipv6(ifname: str, *, proc_root: Path = PROC) -> None:
    """Keep the calling thread's namespace from speaking IPv6 through a link, before the link gets carrier.

    A host-side end would otherwise send router solicitations and multicast reports into the tenant's network. A kernel
    without IPv6 is silent already.
    """
    try:
        write(f"ipv6/conf/{ifname}/disable_ipv6", "1", proc_root=proc_root)
    except Unsupported:
        return
