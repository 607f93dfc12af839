"""Network namespaces for tests: made under random names with the prefix `sn-`, removed at the end."""

from __future__ import annotations

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

from .needs import requires_command, requires_root

__all__ = ["Namespace", "entered", "inside", "new_namespace", "remove_namespace", "run_in"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A named network namespace with its loopback up."""

    name: str

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"/run/netns/{self.name}"

    @property
    def ref(self) -> NetnsRef:
        """Its reference as the product uses it."""
        return identify(self.path)

    @contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of it, closed at the end."""
        with open_netns(self.ref) as fd:
            yield fd


def new_namespace() -> Namespace:
    """Make one; `remove_namespace` ends it. Skips the test without root or iproute2."""
    requires_root()
    requires_command("ip")
    ns = Namespace(name=f"sn-{secrets.token_hex(4)}")
    run_in(None, ["ip", "netns", "add", ns.name])
    run_in(ns, ["ip", "link", "set", "lo", "up"])
    return ns


def remove_namespace(ns: Namespace) -> None:
    """Remove it with all links in it, if it is still there."""
    if os.path.exists(ns.path):
        run_in(None, ["ip", "netns", "del", ns.name])


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
