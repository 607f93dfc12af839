"""How long the agent takes to attach and detach a virtual function, a subfunction, and a veth with a port of Open vSwitch.

By hand, for comparing the three in one guest; a guest is 10 to 20 times slower than its machine:

    .venv/bin/pytest tests/vm/inside/times.py -rP
"""

from __future__ import annotations

import re
import statistics
import urllib.request
from collections.abc import Iterator

import pytest
from secnet_testing.node import BRIDGE
from secnet_testing.objects import nad, pod, pool
from secnet_testing.vm.fixtures import Cards
from secnet_testing.vm.functions import device_nad, device_pod
from secnet_testing.vm.guestnode import GuestNode
from secnet_testing.vm.sf import Subfunctions

pytestmark = pytest.mark.vm_guest(name="times", modules=("fakesf",), seconds=900)

ROUNDS = 5
MAC = "02:5e:c0:00:00:30"
PAGE = "127.0.0.1:9465"
POOL = pool("timed", "10.7.0.10-10.7.0.99", gateway="10.7.0.1", prefix=24)
OBJECTS = (
    POOL,
    device_nad("vf", "sriov-vf", pools=["timed"], vlan=100),
    device_nad("sf", "sriov-sf", pools=["timed"]),
    device_nad("sf-port", "sriov-sf", pools=["timed"], bridge=BRIDGE, vlan=100),
    nad("veth", pools=["timed"], vlan=100),
)
_SUM = r'secnet_operation_duration_seconds_sum\{{network_type="{}",operation="{}",phase="total"\}} (\S+)'


@pytest.fixture
def node(one_node: GuestNode) -> Iterator[GuestNode]:
    """A node with an agent that serves metrics, and the networks."""
    one_node.configure(manifests=None, ovsBridges=[{"bridgeName": BRIDGE}], http={"listen": PAGE})
    for obj in OBJECTS:
        one_node.store.apply(obj)
    one_node.agent()
    yield one_node
    one_node.stop()


def _spent(network_type: str, operation: str) -> float:
    """Seconds of all such operations so far."""
    with urllib.request.urlopen(f"http://{PAGE}/metrics", timeout=30) as answer:
        found = re.search(_SUM.format(re.escape(network_type), operation), answer.read().decode())
    return float(found[1]) if found else 0.0


def test_times(node: GuestNode, cards: Cards, subfunctions: Subfunctions) -> None:
    """One Pod after the other; the first of each kind is not counted."""
    made = subfunctions.add(88, "02:00:00:00:00:88")
    kinds = (
        ("VF, VLAN", "sriov-vf", "vf", cards.one.vf(0)),
        ("VF, VLAN, MAC", "sriov-vf", [{"name": "vf", "mac": MAC}], cards.one.vf(0)),
        ("SF", "sriov-sf", "sf", made.device),
        ("SF, representor's port", "sriov-sf", "sf-port", made.device),
        ("veth, port", "vlan", "veth", ""),
    )
    for label, network_type, networks, device in kinds:
        times: dict[str, list[float]] = {"attach": [], "detach": []}
        for _ in range(ROUNDS + 1):
            before = {operation: _spent(network_type, operation) for operation in times}
            target = device_pod(node, "one", networks, device) if device else pod("one", node.pod("one").path, networks)
            node.store.apply(target)
            node.wait_attached("one", within=60)
            node.store.delete("Pod", "one", "default")
            node.wait_detached("one", within=60)
            for operation, found in times.items():
                found.append((_spent(network_type, operation) - before[operation]) * 1000)
        for operation, found in times.items():
            counted = found[1:]
            print(f"{label:24} {operation}: median {statistics.median(counted):6.0f} ms, best {min(counted):6.0f} ms")
    subfunctions.remove(88)
