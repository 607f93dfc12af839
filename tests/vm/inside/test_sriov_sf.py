"""Subfunctions as networks of Pods, and their representors as ports of the kernel's datapath."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.netns import ping
from secnet_testing.node import BRIDGE
from secnet_testing.node_inspection import addresses, link
from secnet_testing.objects import nad, pod, pool
from secnet_testing.vm.functions import device_nad, device_pod
from secnet_testing.vm.guestnode import GuestNode
from secnet_testing.vm.sf import Subfunction, Subfunctions

pytestmark = pytest.mark.vm_guest(modules=("fakesf",))

MAC = "02:5e:c0:00:00:18"
POOL = pool("subfunctions", "10.5.0.10-10.5.0.99", gateway="10.5.0.1", prefix=24)
NETWORKS = (
    device_nad("bare", "sriov-sf", pools=["subfunctions"]),
    device_nad("switched", "sriov-sf", pools=["subfunctions"], bridge=BRIDGE, vlan=100),
    device_nad("either", "sriov", pools=["subfunctions"], bridge=BRIDGE, vlan=100),
    nad("access", pools=["subfunctions"], vlan=100),
    nad("elsewhere", pools=["subfunctions"], vlan=200),
)


@pytest.fixture(scope="module")
def two(subfunctions: Subfunctions) -> Iterator[tuple[Subfunction, Subfunction]]:
    """Two subfunctions."""
    yield subfunctions.add(88, "02:00:00:00:00:88"), subfunctions.add(99, "02:00:00:00:00:99")
    for number in (88, 99):
        subfunctions.remove(number)


@pytest.fixture(scope="module")
def running(one_node: GuestNode) -> Iterator[GuestNode]:
    """A node with an agent."""
    one_node.configure(manifests=None, ovsBridges=[{"bridgeName": BRIDGE}])
    for obj in (POOL, *NETWORKS):
        one_node.store.apply(obj)
    one_node.agent()
    yield one_node
    one_node.stop()
    for obj in (*NETWORKS, POOL):
        one_node.store.delete(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


@pytest.fixture
def node(running: GuestNode) -> Iterator[GuestNode]:
    """The same; a test's Pods are taken away after it."""
    yield running
    print(running.logs())
    names = [each["metadata"]["name"] for each in running.store.list("Pod")]
    for name in names:
        running.store.delete("Pod", name, "default")
    running.wait_detached(*names)
    for name in list(running.pods):
        running.delete_pod_namespace(name)


def _attach(node: GuestNode, name: str, networks: Any, device: Subfunction) -> None:
    node.store.apply(device_pod(node, name, networks, device.device))
    node.wait_attached(name)


def _attach_switched(node: GuestNode, name: str, network: str) -> None:
    node.store.apply(pod(name, node.pod(name).path, network))
    node.wait_attached(name)


def _ip(node: GuestNode, name: str) -> str:
    return addresses(node.pod(name), "eth1")[0].split("/")[0]


def _ports(node: GuestNode) -> set[str]:
    return set(node.ovs.rows()["Port"])


def test_a_pod_has_the_subfunction_and_the_host_has_it_back(
    node: GuestNode, two: tuple[Subfunction, Subfunction]
) -> None:
    found = two[0].netdevs
    _attach(node, "one", [{"name": "bare", "mac": MAC}], two[0])
    assert two[0].netdevs == []
    assert link(node.pod("one"), "eth1")["address"] == MAC
    node.delete_pod_namespace("one")
    node.store.delete("Pod", "one", "default")
    node.wait_detached("one")
    assert two[0].netdevs == found
    assert Path("/sys/class/net", found[0], "address").read_text().strip() == "02:00:00:00:00:88"


@pytest.mark.parametrize("network", ["switched", "either"])
def test_the_representor_is_a_port_with_the_vlan(
    node: GuestNode, two: tuple[Subfunction, Subfunction], network: str
) -> None:
    before = _ports(node)
    for name, device in zip(("one", "two"), two, strict=True):
        _attach(node, name, network, device)
    for device in two:
        row = node.ovs.rows()["Port"][device.representor]
        assert (row["tag"], row["vlan_mode"]) == (100, "access")
    assert ping(node.pod("one"), _ip(node, "two"), within=10)
    for name in ("one", "two"):
        node.store.delete("Pod", name, "default")
    node.wait_detached("one", "two")
    assert _ports(node) == before


def test_a_subfunction_talks_with_the_pods_of_its_vlan_only(
    node: GuestNode, two: tuple[Subfunction, Subfunction]
) -> None:
    _attach(node, "one", "switched", two[0])
    _attach_switched(node, "same", "access")
    _attach_switched(node, "other", "elsewhere")
    assert ping(node.pod("one"), _ip(node, "same"), within=10)
    assert not ping(node.pod("one"), _ip(node, "other"), within=1)
