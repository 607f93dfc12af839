"""Network namespaces for tests: made under random names with the prefix `sn-`, removed at the end."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from secnet.contract import NetnsRef
from secnet.linux.netns import identify, in_netns, open_netns, setns
from secnet.linux.rtnl import host_rtnl

from .needs import requires_command, requires_root

__all__ = ["Namespace", "entered", "inside", "new_namespace", "remove_namespace", "run_in"]

T = TypeVar("T")

_FOLDER = "/run/netns"
_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A named network namespace with its loopback up."""

    name: str

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"{_FOLDER}/{self.name}"

    @property
    def ref(self) -> NetnsRef:
        """Its reference as the product uses it."""
        return identify(self.path)

    @contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of it, closed at the end."""
        with open_netns(self.ref) as fd:
            yield fd


def new_namespace(name: str = "") -> Namespace:
    """Make one; `remove_namespace` ends it. Skips the test without root or iproute2, which tests look into it with.

    name: one that is free; random unless given.
    """
    requires_root()
    requires_command("ip")
    ns = Namespace(name=name or f"sn-{secrets.token_hex(4)}")
    _require_mount_point()
    os.close(os.open(ns.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    with open("/proc/thread-self/ns/net") as here:
        in_netns(here.fileno(), lambda: _fill(ns))
    return ns


def _require_mount_point() -> None:
    """As `ip netns add` does it: what is mounted below /run/netns is seen by every mount namespace that shares it."""
    # Not os.path.ismount: to it a directory that is bound onto itself is none, and each such mount doubles those below it.
    with open("/proc/self/mountinfo") as file:
        mounted = any(line.split()[4] == _FOLDER for line in file)
    if not mounted:
        os.makedirs(_FOLDER, exist_ok=True)
        run_in(None, ["mount", "--bind", _FOLDER, _FOLDER])
        run_in(None, ["mount", "--make-rshared", _FOLDER])


def _fill(ns: Namespace) -> None:
    """Mount a new namespace of this thread, which ends with it. Starting `ip` three times takes a hundred times as long."""
    _system(_libc.unshare(_CLONE_NEWNET), "unshare")
    _system(_libc.mount(b"/proc/thread-self/ns/net", ns.path.encode(), None, _MS_BIND, None), f"mount {ns.path}")
    with host_rtnl() as kernel:
        loopback = kernel.link("lo")
        assert loopback is not None
        kernel.set_link(loopback.index, up=True)


def _system(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def remove_namespace(ns: Namespace) -> None:
    """Remove it with all links in it, if it is still there."""
    if os.path.exists(ns.path):
        _system(_libc.umount2(ns.path.encode(), _MNT_DETACH), f"umount {ns.path}")
        os.unlink(ns.path)


def inside(ns: Namespace | None, fn: Callable[[], T]) -> T:
    """Run a function in a namespace (None: in the caller's own), in a thread of its own."""
    if ns is None:
        return fn()
    with ns.open() as fd:
        return in_netns(fd, fn)


def run_in(ns: Namespace | None, argv: Sequence[str], *, check: bool = True, timeout: float = 30) -> str:
    """Run a program in a namespace (None: in the caller's own) and return what it printed.

    A failure raises AssertionError with its messages, unless `check` is false.
    """
    done = inside(ns, lambda: subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False))
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr or done.stdout}")
    return done.stdout


@contextmanager
def entered(ns: Namespace) -> Iterator[None]:
    """Move the main thread into a namespace: what it starts from now on, threads and programs, lives there too."""
    assert threading.current_thread() is threading.main_thread(), (
        "only the main thread's children inherit its namespace"
    )
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with ns.open() as fd:
            setns(fd)
        try:
            yield
        finally:
            setns(home)
    finally:
        os.close(home)
