"""Network namespaces: prove which one a path means, open it, and run code inside without moving the calling thread.

A path can be used again for another namespace, so a reference carries device and inode (docs/architecture.md, "Identity"). The
kernel may give the inode of a removed namespace to the very next one (measured); only the `cookie` is never used twice. An open
descriptor or socket keeps a namespace alive after `ip netns del`: hold them for one operation only.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from secnet.contract import Gone, InvalidConfig, NetnsRef, NotReady, Unsupported

from .errors import from_errno, translated

__all__ = ["alive", "cookie", "forbid_host", "identify", "in_netns", "open_netns", "setns", "stands"]

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
NS_GET_NSTYPE = 0xB703  # linux/nsfs.h: which kind of namespace a descriptor is
SO_NETNS_COOKIE = 71  # asm-generic/socket.h, from Linux 5.14 on

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH)  # ESRCH: /proc/PID/ns/net of a process that ended
_libc = ctypes.CDLL(None, use_errno=True)


def identify(path: str | os.PathLike[str]) -> NetnsRef:
    """The reference of the network namespace at `path`.

    Raises NotReady while the path is missing or is no namespace yet, InvalidConfig for a namespace of another kind.
    """
    name = os.fspath(path)
    fd = _open_file(name)
    try:
        _require_netns(fd, name)
        found = os.fstat(fd)
        return NetnsRef(path=name, device=found.st_dev, inode=found.st_ino, cookie=_cookie_or_zero(fd))
    finally:
        os.close(fd)


def _open_file(path: str) -> int:
    try:
        # Checked before it is opened: opening a device or a FIFO could act or block.
        if stat.S_ISREG(os.stat(path).st_mode):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in _MISSING:
            raise NotReady(
                f"the network namespace {path} does not exist",
                hint="it is tried again; if the Pod runs, check that its namespace directory is mounted into the agent",
                subject=path,
            ) from exc
        raise from_errno(exc.errno or 0, f"opening the network namespace {path}", subject=path) from exc
    raise _no_namespace(path)


def _no_namespace(path: str) -> NotReady:
    return NotReady(
        f"{path} is not a namespace",
        hint="a namespace made after the agent started is seen as an empty file unless its directory is mounted "
        "with HostToContainer propagation",
        subject=path,
    )


def _require_netns(fd: int, path: str) -> None:
    try:
        kind = fcntl.ioctl(fd, NS_GET_NSTYPE)
    except OSError as exc:  # ENOTTY: an ordinary file
        raise _no_namespace(path) from exc
    if kind != CLONE_NEWNET:
        raise InvalidConfig(
            f"{path} is a namespace of another kind than network",
            hint="give the path of a network namespace",
            subject=path,
        )


@contextmanager
def open_netns(ref: NetnsRef) -> Iterator[int]:
    """A descriptor of the namespace, closed at the end. Raises Gone if the path is missing or means another one now."""
    try:
        fd = os.open(ref.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno in _MISSING:
            raise _gone(ref, "does not exist any more") from exc
        raise from_errno(exc.errno or 0, f"opening the network namespace {ref.path}", subject=ref.path) from exc
    try:
        found = os.fstat(fd)
        if not _is_same(fd, found, ref):
            raise _gone(ref, "is another namespace now than when the Pod was attached")
        yield fd
    finally:
        os.close(fd)


def _gone(ref: NetnsRef, what: str) -> Gone:
    return Gone(
        f"the network namespace {ref.path} {what}", hint="what was begun for it is cleaned up", subject=ref.path
    )


def alive(ref: NetnsRef) -> bool:
    """Whether the path still leads to the same namespace. Errors other than absence are raised, never taken for death."""
    try:
        with open_netns(ref):
            return True
    except Gone:
        return False


def stands(ref: NetnsRef) -> bool:
    """Whether the path leads to a namespace of this inode, as a later one may have it: for looks that are to cost little."""
    try:
        found = os.stat(ref.path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (ref.device, ref.inode)


def forbid_host(ref: NetnsRef, *, proc_root: Path = Path("/proc")) -> None:
    """Raise InvalidConfig if the namespace is the agent's own or that of process 1 (docs/architecture.md, "Identity").

    Process 1 may be out of sight (another PID namespace, ptrace limits); the agent's own namespace never is, and with
    hostNetwork it is the host's.
    """
    for owner, path in (("the agent's own", proc_root / "self/ns/net"), ("the host's", proc_root / "1/ns/net")):
        try:
            found = path.stat()
        except OSError as exc:
            if owner == "the host's":
                continue
            raise from_errno(exc.errno or 0, f"looking at {path}", subject=ref.path) from exc
        if (found.st_dev, found.st_ino) == (ref.device, ref.inode):
            raise InvalidConfig(
                f"{ref.path} is {owner} network namespace, where no Pod interface may be made",
                hint="a Pod with hostNetwork takes no secondary networks; otherwise give the path of the Pod's namespace",
                subject=ref.path,
            )


def cookie(fd: int) -> int:
    """The number of a network namespace that no other gets until the next boot; never 0.

    Raises Unsupported on a kernel before 5.14.
    """

    def ask() -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            raw = sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        return int(struct.unpack("=Q", raw)[0])

    try:
        return in_netns(fd, ask)
    except OSError as exc:
        raise from_errno(exc.errno or 0, "asking for the cookie of a network namespace") from exc


def _cookie_or_zero(fd: int) -> int:
    try:
        return cookie(fd)
    except Unsupported:
        return 0


def _is_same(fd: int, found: os.stat_result, ref: NetnsRef) -> bool:
    """A matching inode may be that of a later namespace; only where the kernel has no cookies must it do."""
    if (found.st_dev, found.st_ino) != (ref.device, ref.inode):
        return False
    return ref.cookie == 0 or ref.cookie == _cookie_or_zero(fd)


def setns(fd: int) -> None:
    """Move the calling thread into the network namespace. For throw-away threads; see `in_netns`."""
    if _libc.setns(fd, CLONE_NEWNET):  # os.setns exists from Python 3.12 on
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def in_netns(fd: int, fn: Callable[[], T]) -> T:
    """Call `fn` in a new thread that has entered the namespace and ends after it (about 0.05 ms); returns its result.

    The thread is never used again, so host work cannot happen in a Pod. An exception of `fn` is raised here as it is. `fn` is
    to be short and not to log: the thread is a bare one, as `threading.Thread` waits once more for its thread to begin.
    """
    results: list[T] = []
    failures: list[BaseException] = []
    ended = _thread.allocate_lock()

    def run() -> None:
        try:
            with translated("entering the network namespace"):
                setns(fd)
            results.append(fn())
        except BaseException as exc:
            failures.append(exc)
        finally:
            ended.release()

    ended.acquire()
    _thread.start_new_thread(run, ())
    ended.acquire()
    if failures:
        raise failures[0]
    return results[0]
