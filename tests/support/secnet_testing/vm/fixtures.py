"""The fixtures of tests inside a guest. A pytest plugin; `inside` loads it. What is slow to make is made once a guest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..netns import netns_factory, run_in
from ..node_inspection import clear
from .guestnode import GuestNode, first_namespace, play_guest_node
from .nic import PhysicalFunction, load, wire_link
from .qmp import Monitor
from .sf import Subfunctions, subfunctions_of

__all__ = [
    "VFS",
    "Cards",
    "cards",
    "guest_node",
    "live",
    "monitor",
    "named_node",
    "netns_factory",
    "one_node",
    "subfunctions",
    "wire",
]

VFS = 3
"""Virtual functions of each physical one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """The cards of a guest. vfs: PCI addresses of the virtual functions, of `one` first."""

    one: PhysicalFunction
    two: PhysicalFunction
    vfs: tuple[str, ...]


@pytest.fixture(scope="session")
def cards() -> Cards:
    """Both physical functions, up, with virtual functions; they stay as long as the guest."""
    load("igb", "igbvf", "virtio_net")
    one, two = PhysicalFunction(number=1), PhysicalFunction(number=2)
    for each in (one, two):
        each.up()
    return Cards(one=one, two=two, vfs=(*one.make(VFS), *two.make(VFS)))


@pytest.fixture(scope="session")
def wire(cards: Cards) -> Iterator[str]:
    """The link that hears what the cards send, with all tags. It has no address and sends nothing by itself."""
    link = wire_link()
    run_in(None, ["sysctl", "-qw", f"net.ipv6.conf.{link}.disable_ipv6=1"])
    run_in(None, ["ip", "link", "set", link, "up", "promisc", "on"])
    yield link
    run_in(None, ["ip", "link", "set", link, "down", "promisc", "off"])


@pytest.fixture(scope="session")
def monitor() -> Iterator[Monitor]:
    """QEMU's monitor."""
    load("virtio_console")
    made = Monitor()
    yield made
    made.close()


@pytest.fixture(scope="session")
def subfunctions(cards: Cards) -> Iterator[Subfunctions]:
    """Subfunctions of the first card; none is there yet."""
    with subfunctions_of(cards.one.address) as made:
        yield made


@pytest.fixture(scope="session")
def named_node() -> Iterator[None]:
    """The guest's first namespace under a name, as a case of the kit needs it."""
    with first_namespace():
        yield


@pytest.fixture(scope="session")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestNode]:
    """The node that tests share; they take `guest_node` or `live`."""
    with play_guest_node(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def guest_node(one_node: GuestNode, tmp_path: Path) -> Iterator[GuestNode]:
    """The guest as a node, empty and without an agent."""
    yield one_node
    print(one_node.logs())  # pytest shows it when the test failed
    one_node.stop()
    clear(one_node, tmp_path / "clear")


@pytest.fixture
def live(guest_node: GuestNode) -> GuestNode:
    """The guest as a node, with an agent."""
    guest_node.agent()
    return guest_node
