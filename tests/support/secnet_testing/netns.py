"""Network namespaces for tests: made under random names with the prefix `sn-`, removed at the end.

A pytest plugin; the root conftest.py loads it.
"""

from __future__ import annotations

import math
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
from secnet.contract import NetnsRef
from secnet.linux.netns import identify, in_netns, open_netns, setns

from .frames import Capture
from .needs import requires_command, requires_root

__all__ = ["Namespace", "NetnsFactory", "frames", "netns_factory", "node_netns", "ping", "run_in"]


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


NetnsFactory = Callable[[], Namespace]


def _run(ns: Namespace | None, argv: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    return _inside(ns, lambda: subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False))


def _inside(ns: Namespace | None, fn: Callable[[], T]) -> T:
    if ns is None:
        return fn()
    with ns.open() as fd:
        return in_netns(fd, fn)


def run_in(ns: Namespace | None, argv: Sequence[str], *, check: bool = True, timeout: float = 30) -> str:
    """Run a program in a namespace (None: in the test's own) and return what it printed.

    A failure raises AssertionError with its messages, unless `check` is false.
    """
    done = _run(ns, argv, timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)} failed ({done.returncode}): {done.stderr or done.stdout}")
    return done.stdout


def ping(ns: Namespace | None, target: str, *, within: float = 3.0, source: str | None = None) -> bool:
    """Whether `target` answers an echo request; asked again each 0.2 s until `within` seconds have passed.

    False only when nothing answered: a request that cannot be sent (no route, no such source) is an AssertionError, so
    that a test of silence cannot pass by a mistake in the set-up.
    """
    end = time.monotonic() + within
    while True:
        left = max(0.1, end - time.monotonic())
        options = ["-n", "-c", "1", "-i", "0.2", "-w", str(math.ceil(left)), *(["-I", source] if source else [])]
        argv = ["ping", *options, target]
        done = _run(ns, argv, within + 10)
        if done.returncode not in (0, 1):
            raise AssertionError(f"{' '.join(argv)}: {done.stderr or done.stdout}")
        # A neighbour look-up that failed ends ping before its time, with an answer from this host itself.
        if done.returncode == 0 or time.monotonic() >= end - 0.1:
            return done.returncode == 0


@contextmanager
def frames(ns: Namespace | None, ifname: str) -> Iterator[Capture]:
    """Capture what passes a link of a namespace (None: of the test's own), from now on."""
    capture = _inside(ns, lambda: Capture(ifname))
    try:
        yield capture
    finally:
        capture.close()


@pytest.fixture
def netns_factory() -> Iterator[NetnsFactory]:
    """Makes namespaces; those still there at the end of the test are removed, with all links in them."""
    requires_root()
    requires_command("ip")
    made: list[Namespace] = []

    def make() -> Namespace:
        ns = Namespace(name=f"sn-{secrets.token_hex(4)}")
        run_in(None, ["ip", "netns", "add", ns.name])
        made.append(ns)
        run_in(ns, ["ip", "link", "set", "lo", "up"])
        return ns

    try:
        yield make
    finally:
        for ns in reversed(made):
            if os.path.exists(ns.path):
                run_in(None, ["ip", "netns", "del", ns.name])


@pytest.fixture
def node_netns(netns_factory: NetnsFactory) -> Iterator[Namespace]:
    """A namespace that plays the node: the test, every thread it starts and every program it runs live in it.

    Code under test that works on "the host" then works here, and the machine's own namespace stays untouched.
    """
    assert threading.current_thread() is threading.main_thread(), (
        "only the main thread's children inherit its namespace"
    )
    node = netns_factory()
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with node.open() as fd:
            setns(fd)
        try:
            yield node
        finally:
            setns(home)
    finally:
        os.close(home)
