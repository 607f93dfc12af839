"""VLAN networks on the kernel's datapath of Open vSwitch, with a physical function as uplink."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet_testing.netns import Namespace, NetnsFactory, frames, ping, run_in
from secnet_testing.node import BRIDGE
from secnet_testing.node_inspection import addresses, apply
from secnet_testing.objects import nad, pod, pool
from secnet_testing.vm.fixtures import Cards
from secnet_testing.vm.guestnode import GuestNode
from secnet_testing.vm.nic import moved

pytestmark = pytest.mark.vm_guest

# One subnet for both VLANs, so that only tags keep Pods apart.
NETWORKS = (
    nad("red", vlan=11, pools=["shared"]),
    nad("blue", vlan=12, pools=["shared"]),
    pool("shared", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24),
)
PODS = ("red-1", "red-2", "blue-1")
ON_THE_WIRE = "10.1.0.200"


def _ip(node: GuestNode, name: str) -> str:
    return addresses(node.pod(name), "eth1")[0].split("/")[0]


@pytest.fixture(scope="module")
def three(one_node: GuestNode, cards: Cards, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestNode]:
    """Pods of two networks on one bridge, whose uplink is the first card."""
    node = one_node
    node.configure(ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": [cards.one.ifname]}])
    node.agent()
    pods = [pod(name, node.pod(name).path, name.split("-")[0]) for name in PODS]
    folder = tmp_path_factory.mktemp("objects")
    apply(node, folder, *NETWORKS, *pods)
    yield node
    node.cli("delete", folder)
    node.stop()


def test_it_is_the_kernels_datapath(three: GuestNode) -> None:
    """Otherwise all below would show nothing new: the other tiers run on the datapath in user space."""
    assert "system@ovs-system" in three.ovs.appctl("dpctl/show")
    assert Path("/sys/class/net/ovs-system").exists()


def test_pods_of_one_network_talk(three: GuestNode) -> None:
    assert ping(three.pod("red-1"), _ip(three, "red-2"))


def test_pods_of_two_networks_do_not(three: GuestNode) -> None:
    """The positive control: red-1 talks with red-2 above, and with blue-1 once that is on its VLAN."""
    assert not ping(three.pod("red-1"), _ip(three, "blue-1"), within=1)
    (port,) = (r.attachment.names["host"] for r in three.records() if r.pod and r.pod.name == "blue-1")
    three.ovs.vsctl("set", "Port", port, "tag=11")
    try:
        assert ping(three.pod("red-1"), _ip(three, "blue-1"))
    finally:
        three.ovs.vsctl("set", "Port", port, "tag=12")


@pytest.mark.parametrize(("name", "vlan"), [("red-1", 11), ("blue-1", 12)])
def test_the_uplink_carries_the_tag_of_the_network(three: GuestNode, wire: str, name: str, vlan: int) -> None:
    """Nobody has the address asked for, so the question goes everywhere."""
    with frames(None, wire) as seen:
        assert not ping(three.pod(name), "10.1.0.250", within=0.5)
        own = _ip(three, name)
        frame = seen.wait_for(lambda frame: frame.arp is not None and frame.arp[1] == own)
    assert frame.vlan == vlan


def test_a_virtual_function_on_the_wire_talks_with_the_pods_of_its_vlan(
    three: GuestNode, cards: Cards, function_in_netns: Namespace
) -> None:
    """The second card's function, whose VLAN that card keeps: what a Pod of another node has."""
    cards.two.set_vf(0, "vlan", "11")
    try:
        assert ping(three.pod("red-1"), ON_THE_WIRE, within=10)
        assert not ping(three.pod("blue-1"), ON_THE_WIRE, within=1)
        cards.two.set_vf(0, "vlan", "12")
        assert ping(three.pod("blue-1"), ON_THE_WIRE, within=10)
        assert not ping(three.pod("red-1"), ON_THE_WIRE, within=1)
    finally:
        cards.two.set_vf(0, "vlan", "0")


@pytest.fixture
def function_in_netns(cards: Cards, netns_factory: NetnsFactory) -> Iterator[Namespace]:
    """A namespace with the first function of the second card, with an address of the Pods' subnet."""
    namespace = netns_factory()
    with moved(cards.two.vf(0), namespace, f"{ON_THE_WIRE}/24"):
        yield namespace


def test_pods_leave_nothing_on_the_datapath(three: GuestNode, tmp_path: Path) -> None:
    before = set(three.ovs.rows()["Port"])
    apply(three, tmp_path, pod("red-3", three.pod("red-3").path, "red"))
    assert set(three.ovs.rows()["Port"]) > before
    assert three.cli("delete", tmp_path).returncode == 0
    assert set(three.ovs.rows()["Port"]) == before


def test_a_link_that_is_gone_is_repaired_after_the_switch_has_noticed(three: GuestNode) -> None:
    """The kernel's datapath notices at once, and ovs-vswitchd has an error for the port from then on."""
    node = three
    (port,) = (r.attachment.names["host"] for r in node.records() if r.pod and r.pod.name == "red-1")
    run_in(node.pod("red-1"), ["ip", "link", "del", "eth1"])
    node.wait_until(lambda: not node.ovs.rows()["Interface"][port]["open"], "ovs-vswitchd has noticed")
    node.agents[-1].kill()
    node.agent()
    node.wait_attached(*PODS)
    assert ping(node.pod("red-1"), _ip(node, "red-2"), within=10)
