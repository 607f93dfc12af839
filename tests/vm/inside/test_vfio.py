"""A virtual function that a program takes by itself (DPDK, a virtual machine): bound to vfio-pci, behind an IOMMU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.netns import run_in
from secnet_testing.vm.fixtures import Cards
from secnet_testing.vm.functions import device_nad, device_pod, state_of_vf
from secnet_testing.vm.guestnode import GuestNode
from secnet_testing.vm.nic import load, netdevs, wait_until, write

pytestmark = pytest.mark.vm_guest(iommu=True)

MAC = "02:5e:c0:00:00:20"
NETWORK = device_nad("program", "sriov-vf", vlan=100, vlanQoS=3, spoofchk="off", trust="on")
_PCI = Path("/sys/bus/pci")


@pytest.fixture
def function(cards: Cards) -> Iterator[str]:
    """A virtual function that is bound to vfio-pci; its netdev's driver has it back afterwards."""
    device = cards.one.vf(0)
    load("vfio-pci")
    _bind(device, "vfio-pci")
    yield device
    _bind(device, "igbvf")
    wait_until(lambda: netdevs(device), f"the network device of {device}")


def _bind(device: str, driver: str) -> None:
    folder = _PCI / "devices" / device
    write(folder / "driver_override", driver)
    write(folder / "driver" / "unbind", device)
    write(_PCI / "drivers_probe", device)
    assert (folder / "driver").resolve().name == driver
    write(folder / "driver_override", "\n")


@pytest.fixture
def node(guest_node: GuestNode) -> GuestNode:
    """A node with an agent that reads manifests, and the network."""
    guest_node.configure(manifests=None, ovsBridges=[])
    guest_node.store.apply(NETWORK)
    guest_node.agent()
    return guest_node


def test_the_card_is_set_and_no_interface_made(node: GuestNode, cards: Cards, function: str) -> None:
    assert list((_PCI / "devices" / function / "iommu_group" / "devices").iterdir())
    found = state_of_vf(cards.one, 0)
    node.store.apply(device_pod(node, "one", [{"name": "program", "mac": MAC}], function))
    node.wait_attached("one")
    info: dict[str, Any] = cards.one.vf_info(0)
    assert (info["address"], info["vlan_list"]) == (MAC, [{"vlan": 100, "qos": 3}])
    assert (info["spoofchk"], info["trust"]) == (False, True)
    (entry,) = [each for each in node.network_status("one") if not each["default"]]
    assert entry["device-info"]["pci"] == {"pci-address": function, "pf-pci-address": cards.one.address}
    assert entry["mac"] == MAC
    assert [line.split()[0] for line in run_in(node.pod("one"), ["ip", "-br", "link"]).splitlines()] == ["lo"]
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found


def test_a_function_whose_pod_is_gone_is_restored(node: GuestNode, cards: Cards, function: str) -> None:
    found = state_of_vf(cards.one, 0)
    node.store.apply(device_pod(node, "one", "program", function))
    node.wait_attached("one")
    assert state_of_vf(cards.one, 0) != found
    node.delete_pod_namespace("one")
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert state_of_vf(cards.one, 0) == found
