"""What the emulated cards can do: the ground on which other tests here stand, shown without any code of the product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from secnet_testing.netns import Namespace, NetnsFactory, frames, ping, run_in
from secnet_testing.vm.fixtures import VFS, Cards
from secnet_testing.vm.nic import moved, netdevs, wait_until
from secnet_testing.vm.qmp import Monitor
from secnet_testing.vm.sf import Subfunctions

pytestmark = pytest.mark.vm_guest(modules=("fakesf",))

SUBNET = "10.9.0"
Move = Callable[[str, int], Namespace]


@pytest.fixture
def move(netns_factory: NetnsFactory) -> Iterator[Move]:
    """Moves a virtual function to a namespace of its own, with the address `SUBNET.NUMBER`; all are back afterwards."""
    with ExitStack() as stack:

        def one(address: str, number: int) -> Namespace:
            namespace = netns_factory()
            stack.enter_context(moved(address, namespace, f"{SUBNET}.{number}/24"))
            return namespace

        yield one


def test_functions_of_one_card_and_of_two_talk(cards: Cards, move: Move) -> None:
    one = move(cards.one.vf(0), 1)
    move(cards.one.vf(1), 2)
    move(cards.two.vf(0), 3)
    assert ping(one, f"{SUBNET}.2", within=10)
    assert ping(one, f"{SUBNET}.3", within=10)


def test_the_card_tags_what_a_function_sends(cards: Cards, move: Move, wire: str) -> None:
    namespace = move(cards.one.vf(0), 1)
    cards.one.set_vf(0, "vlan", "100", "qos", "3")
    try:
        with frames(None, wire) as seen:
            assert not ping(namespace, f"{SUBNET}.99", within=0.5)
            frame = seen.wait_for(lambda frame: frame.arp is not None and frame.arp[1] == f"{SUBNET}.1")
        assert (frame.vlan, frame.priority) == (100, 3)
        info = cards.one.vf_info(0)
        assert info["vlan_list"] == [{"vlan": 100, "qos": 3}]
    finally:
        cards.one.set_vf(0, "vlan", "0")


def test_a_card_can_be_unplugged_with_a_function_in_use(
    cards: Cards, monitor: Monitor, netns_factory: NetnsFactory
) -> None:
    namespace = netns_factory()
    (link,) = netdevs(cards.two.vf(0))
    run_in(None, ["ip", "link", "set", link, "netns", namespace.name, "name", "net1"])
    monitor.unplug("pf2")
    try:
        wait_until(lambda: not cards.two.present, "the second card is gone")
        assert "net1" not in run_in(namespace, ["ip", "-br", "link"])
        assert cards.one.present
    finally:
        wait_until(lambda: not cards.two.present, "the second card is gone")
        monitor.plug("pf2")
        cards.two.come_back(VFS)
    assert cards.vfs[VFS:] == tuple(cards.two.vf(number) for number in range(VFS))


def test_the_carrier_of_a_card_can_be_taken(cards: Cards, monitor: Monitor) -> None:
    monitor.set_carrier("pf2", up=False)
    try:
        wait_until(lambda: "NO-CARRIER" in run_in(None, ["ip", "link", "show", cards.two.ifname]), "no carrier")
    finally:
        monitor.set_carrier("pf2", up=True)
        cards.two.up()


def test_a_subfunction_and_its_representor_are_two_ends(
    subfunctions: Subfunctions, netns_factory: NetnsFactory
) -> None:
    made = subfunctions.add(88, "02:00:00:00:00:88")
    try:
        namespace = netns_factory()
        (link,) = made.netdevs
        run_in(None, ["ip", "link", "set", link, "netns", namespace.name, "name", "net1"])
        assert "02:00:00:00:00:88" in run_in(namespace, ["ip", "link", "show", "net1"])
        run_in(namespace, ["ip", "address", "add", f"{SUBNET}.1/24", "dev", "net1"])
        run_in(namespace, ["ip", "link", "set", "net1", "up"])
        run_in(None, ["ip", "address", "add", f"{SUBNET}.2/24", "dev", made.representor])
        run_in(None, ["ip", "link", "set", made.representor, "up"])
        assert ping(namespace, f"{SUBNET}.2", within=10)
        run_in(None, ["ip", "netns", "del", namespace.name])
        wait_until(lambda: made.netdevs == ["net1"], "the subfunction is back under its last name")
        with pytest.raises(AssertionError, match="There is a subfunction of this number"):
            subfunctions.add(88, "02:00:00:00:00:89")
    finally:
        with suppress(AssertionError):
            subfunctions.remove(88)
