"""Network namespaces as fixtures, and looking at what passes between them.

A pytest plugin; the root conftest.py loads it.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.netns import Namespace, entered, inside, new_namespace, remove_namespace, run_in

from .frames import Capture

__all__ = ["Namespace", "NetnsFactory", "frames", "netns_factory", "node_netns", "ping", "run_in"]

NetnsFactory = Callable[[], Namespace]


def ping(ns: Namespace | None, target: str, *, within: float = 3.0, source: str | None = None) -> bool:
    """Whether `target` answers an echo request; asked again each 0.2 s until `within` seconds have passed.

    False only when nothing answered: a request that cannot be sent (no route, no such source) is an AssertionError, so
    that a test of silence cannot pass by a mistake in the set-up.
    """
    end = time.monotonic() + within
    while True:
        left = max(0.1, end - time.monotonic())
        options = ["-n", "-c", "1", "-i", "0.2", "-w", str(math.ceil(left)), *(["-I", source] if source else [])]
        done = _ping(ns, ["ping", *options, target], within + 10)
        # A neighbour look-up that failed ends ping before its time, with an answer from this host itself.
        if done.returncode == 0 or time.monotonic() >= end - 0.1:
            return done.returncode == 0


def _ping(ns: Namespace | None, argv: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    done = inside(ns, lambda: subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False))
    if done.returncode not in (0, 1):
        raise AssertionError(f"{' '.join(argv)}: {done.stderr or done.stdout}")
    return done


@contextmanager
def frames(ns: Namespace | None, ifname: str) -> Iterator[Capture]:
    """Capture what passes a link of a namespace (None: of the test's own), from now on."""
    capture = inside(ns, lambda: Capture(ifname))
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
        ns = new_namespace()
        made.append(ns)
        return ns

    try:
        yield make
    finally:
        for ns in reversed(made):
            remove_namespace(ns)


@pytest.fixture
def node_netns(netns_factory: NetnsFactory) -> Iterator[Namespace]:
    """A namespace that plays the node: the test, every thread it starts and every program it runs live in it.

    Code under test that works on "the host" then works here, and the machine's own namespace stays untouched.
    """
    node = netns_factory()
    with entered(node):
        yield node
