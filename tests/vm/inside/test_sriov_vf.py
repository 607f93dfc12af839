"""Virtual functions as networks of Pods, on emulated cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from secnet_testing.bridge_binding import CURRENT, BridgeBinding
from secnet_testing.netns import frames, ping, run_in
from secnet_testing.node import BRIDGE
from secnet_testing.node_inspection import addresses, link
from secnet_testing.objects import nad, pod, pool
from secnet_testing.vm.fixtures import VFS, Cards
from secnet_testing.vm.functions import RESOURCE, device_nad, device_pod, state_of_vf
from secnet_testing.vm.guestnode import GuestNode
from secnet_testing.vm.nic import load, netdevs, wait_until
from secnet_testing.vm.qmp import Monitor

pytestmark = pytest.mark.vm_guest

MAC = "02:5e:c0:00:00:17"
POOL = pool("functions", "10.4.0.10-10.4.0.99", gateway="10.4.0.1", prefix=24)
NETWORKS = (
    device_nad("plain", "sriov-vf", pools=["functions"]),
    device_nad("either", "sriov", pools=["functions"]),
    device_nad("tagged", "sriov-vf", pools=["functions"], vlan=100, vlanQoS=3),
    device_nad("trusted", "sriov-vf", pools=["functions"], vlan=100, trust="on"),
    device_nad("strict", "sriov-vf", pools=["functions"], spoofchk="on", trust="off", maxTxRate=200),
)


@pytest.fixture(scope="module")
def before(one_node: GuestNode, cards: Cards) -> Iterator[GuestNode]:
    """A node whose bridge has the first card as uplink; no agent runs."""
    node = one_node
    bridges = [{"bridgeName": BRIDGE, "physicalInterfaces": [cards.one.ifname]}]
    node.configure(manifests=None, ovsBridges=bridges)
    for obj in (POOL, *NETWORKS, nad("access", pools=["functions"], vlan=100)):
        node.store.apply(obj)
    yield node
    for obj in (*NETWORKS, nad("access"), POOL):
        node.store.delete(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


@pytest.fixture(scope="module")
def running(before: GuestNode) -> Iterator[GuestNode]:
    """The same with an agent."""
    before.agent()
    yield before
    before.stop()


@pytest.fixture
def node(running: GuestNode) -> Iterator[GuestNode]:
    """The same; a test's Pods are taken away after it."""
    yield running
    _clear(running)


def _clear(node: GuestNode) -> None:
    print(node.logs())
    names = [each["metadata"]["name"] for each in node.store.list("Pod")]
    for name in names:
        node.store.delete("Pod", name, "default")
    node.wait_detached(*names)
    for name in list(node.pods):
        node.delete_pod_namespace(name)


def _attach(node: GuestNode, name: str, networks: Any, *devices: str) -> None:
    node.store.apply(device_pod(node, name, networks, *devices))
    node.wait_attached(name)


def _ip(node: GuestNode, name: str) -> str:
    return addresses(node.pod(name), "eth1")[0].split("/")[0]


@pytest.mark.parametrize("network", ["plain", "either"])
def test_a_pod_has_the_function_and_the_host_has_it_back(node: GuestNode, cards: Cards, network: str) -> None:
    vf, found = cards.one.vf(0), state_of_vf(cards.one, 0)
    _attach(node, "one", network, vf)
    _attach(node, "two", network, cards.one.vf(1))
    inside = link(node.pod("one"), "eth1")
    assert netdevs(vf) == []
    assert inside["address"] == cards.one.vf_info(0)["address"]
    assert ping(node.pod("one"), _ip(node, "two"), within=10)
    (entry,) = [each for each in node.network_status("one") if not each["default"]]
    assert entry["device-info"]["pci"]["pci-address"] == vf
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found


def test_a_function_in_a_bridge_of_its_pod_is_left_there_and_comes_home(node: GuestNode, cards: Cards) -> None:
    """As the launcher of a virtual machine puts it there. Another MAC takes a trusted function."""
    load("bridge", "tun")
    vf, found = cards.one.vf(0), state_of_vf(cards.one, 0)
    _attach(node, "vm", "trusted", vf)
    binding = BridgeBinding(netns=node.pod("vm"), ifname="eth1")
    binding.prepare()
    binding.bind(CURRENT)
    bound = binding.link(binding.nic)
    cards.one.set_vf(0, "vlan", "99")
    node.agents[-1].kill()
    node.agent()
    node.wait_attached("vm")
    node.wait_until(lambda: cards.one.vf_info(0)["vlan_list"] == [{"vlan": 100}], "the card's side is repaired")
    assert [binding.link(binding.nic)[key] for key in ("ifindex", "address", "master")] == [
        bound[key] for key in ("ifindex", "address", "master")
    ]
    assert "in use by the bridge k6t-eth1 in the Pod" in node.cli("status").stdout
    node.store.delete("Pod", "vm", "default")
    node.wait_detached("vm")
    assert binding.link(binding.nic) == {}
    assert state_of_vf(cards.one, 0) == found


def test_the_mac_of_the_annotation_is_that_of_the_function(node: GuestNode, cards: Cards) -> None:
    """igbvf takes the address that the card keeps for it only when it is bound again."""
    found = state_of_vf(cards.one, 0)
    _attach(node, "one", [{"name": "plain", "mac": MAC}], cards.one.vf(0))
    _attach(node, "two", "plain", cards.one.vf(1))
    assert link(node.pod("one"), "eth1")["address"] == MAC
    assert cards.one.vf_info(0)["address"] == MAC
    assert ping(node.pod("two"), _ip(node, "one"), within=10)
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found


def test_the_wire_carries_vlan_and_priority(node: GuestNode, cards: Cards, wire: str) -> None:
    _attach(node, "one", "tagged", cards.one.vf(0))
    own = _ip(node, "one")
    with frames(None, wire) as seen:
        assert not ping(node.pod("one"), "10.4.0.250", within=0.5)
        frame = seen.wait_for(lambda frame: frame.arp is not None and frame.arp[1] == own)
    assert (frame.vlan, frame.priority) == (100, 3)
    assert cards.one.vf_info(0)["vlan_list"] == [{"vlan": 100, "qos": 3}]


def test_what_the_card_keeps_is_set_and_restored(node: GuestNode, cards: Cards) -> None:
    """The emulated card takes these and enforces none: see README.md."""
    cards.one.set_vf(0, "trust", "on", "spoofchk", "off")
    try:
        found = state_of_vf(cards.one, 0)
        _attach(node, "one", "strict", cards.one.vf(0))
        info: dict[str, Any] = cards.one.vf_info(0)
        assert (info["spoofchk"], info["trust"]) == (True, False)
        assert info["rate"]["max_tx"] == 200
        node.store.delete("Pod", "one", "default")
        node.wait_detached("one")
        assert state_of_vf(cards.one, 0) == found
    finally:
        cards.one.set_vf(0, "trust", "off", "spoofchk", "on")


def test_a_function_whose_namespace_is_gone_comes_back_under_its_name(node: GuestNode, cards: Cards) -> None:
    vf, found = cards.one.vf(0), state_of_vf(cards.one, 0)
    _attach(node, "one", [{"name": "tagged", "mac": MAC}], vf)
    node.delete_pod_namespace("one")
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found


def test_functions_of_two_cards_talk(node: GuestNode, cards: Cards) -> None:
    _attach(node, "one", "tagged", cards.one.vf(0))
    _attach(node, "two", "tagged", cards.two.vf(0))
    _attach(node, "three", "plain", cards.two.vf(1))
    assert ping(node.pod("one"), _ip(node, "two"), within=10)
    assert not ping(node.pod("one"), _ip(node, "three"), within=1)


def test_a_function_talks_over_the_wire_with_a_pod_behind_the_switch(node: GuestNode, cards: Cards) -> None:
    """Function, card, wire, the other card as uplink, the kernel's datapath, a port with the same VLAN."""
    _attach(node, "one", "tagged", cards.two.vf(0))
    node.store.apply(pod("switched", node.pod("switched").path, "access"))
    node.wait_attached("switched")
    assert ping(node.pod("switched"), _ip(node, "one"), within=10)
    _attach(node, "two", "plain", cards.two.vf(1))
    assert not ping(node.pod("switched"), _ip(node, "two"), within=1)


def test_two_pods_change_functions(node: GuestNode, cards: Cards) -> None:
    """A function is never reset under the Pod that has it next."""
    one, two = cards.one.vf(0), cards.one.vf(1)
    _attach(node, "first", [{"name": "tagged", "mac": MAC}], one)
    _attach(node, "second", "plain", two)
    for name in ("first", "second"):
        node.store.delete("Pod", name, "default")
    _attach(node, "third", "plain", one)
    _attach(node, "fourth", "tagged", two)
    node.wait_detached("first", "second")
    assert cards.one.vf_info(0)["vlan_list"] == [{}]
    assert cards.one.vf_info(1)["vlan_list"] == [{"vlan": 100, "qos": 3}]
    assert link(node.pod("third"), "eth1")["address"] != MAC
    assert link(node.pod("fourth"), "eth1")["address"] == cards.one.vf_info(1)["address"]


def test_one_function_is_not_given_to_two_pods(node: GuestNode, cards: Cards) -> None:
    _attach(node, "first", "plain", cards.one.vf(0))
    node.store.apply(device_pod(node, "second", "plain", cards.one.vf(0)))
    node.wait_until(lambda: _is_refused(node, "second"), "the second Pod is refused")
    assert link(node.pod("first"), "eth1")
    node.store.delete("Pod", "first", "default")
    node.wait_attached("second")


def _is_refused(node: GuestNode, name: str) -> bool:
    report = node.report(name)
    return report is not None and any(network.error for network in report.networks)


def test_an_unplugged_card_takes_nothing_else_with_it(node: GuestNode, cards: Cards, monitor: Monitor) -> None:
    _attach(node, "lost", "tagged", cards.two.vf(0))
    _attach(node, "kept", "plain", cards.one.vf(0))
    _attach(node, "other", "plain", cards.one.vf(1))
    monitor.unplug("pf2")
    try:
        wait_until(lambda: not cards.two.present, "the second card is gone")
        node.store.delete("Pod", "lost", "default")
        node.wait_detached("lost")
        assert ping(node.pod("kept"), _ip(node, "other"), within=10)
    finally:
        wait_until(lambda: not cards.two.present, "the second card is gone")
        monitor.plug("pf2")
        cards.two.come_back(VFS)
    found = state_of_vf(cards.two, 0)
    _attach(node, "again", "plain", cards.two.vf(0))
    node.store.delete("Pod", "again", "default")
    node.wait_detached("again")
    assert state_of_vf(cards.two, 0) == found


def test_a_restarted_agent_keeps_what_it_finds(node: GuestNode, cards: Cards) -> None:
    found = state_of_vf(cards.one, 0)
    _attach(node, "one", "tagged", cards.one.vf(0))
    before = run_in(node.pod("one"), ["ip", "-d", "link", "show", "eth1"])
    node.stop()
    node.agent()
    node.wait_attached("one")
    assert run_in(node.pod("one"), ["ip", "-d", "link", "show", "eth1"]) == before
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found


def test_what_the_card_refuses_changes_nothing(node: GuestNode, cards: Cards) -> None:
    """igb knows no 802.1ad."""
    found = state_of_vf(cards.one, 0)
    network = device_nad("service", "sriov-vf", pools=["functions"], vlan=100, vlanProto="802.1ad")
    node.store.apply(network)
    try:
        node.store.apply(device_pod(node, "one", "service", cards.one.vf(0)))
        node.wait_until(lambda: _is_refused(node, "one"), "the network is refused")
        report = node.report("one")
        assert report is not None
        assert "vlanProto" in str(report.networks[0].error)
        # The agent may be trying once more just now, because the Pod's status changed.
        wait_until(lambda: state_of_vf(cards.one, 0) == found, "the function is as it was")
    finally:
        node.store.delete("Pod", "one", "default")
        node.wait_detached("one")
        node.store.delete("NetworkAttachmentDefinition", "service", "default")
    assert state_of_vf(cards.one, 0) == found


def test_devices_are_counted_by_their_resource(node: GuestNode, cards: Cards) -> None:
    """Two networks of one resource, two functions; the order of the annotation is that of the devices."""
    _attach(node, "both", "plain,tagged", cards.one.vf(0), cards.one.vf(1))
    held = [record.attachment.request.device for record in node.records() if record.pod and record.pod.name == "both"]
    assert sorted(device.id for device in held if device) == sorted([cards.one.vf(0), cards.one.vf(1)]), RESOURCE
