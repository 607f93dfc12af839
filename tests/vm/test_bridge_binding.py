"""A virtual machine behind a Pod's interface, put there as by KubeVirt's bridge binding: its frames pass whatever the agent does.

The guest is real, on a tap in the Pod's network namespace. KubeVirt itself does not run here: the steps of its launcher do.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from secnet_testing.agent_page import PORT, wait_checked
from secnet_testing.bridge_binding import CURRENT, OLDER, BridgeBinding
from secnet_testing.netns import Namespace, ping
from secnet_testing.node import Node, play_node
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.vm import Image
from secnet_testing.vm.tapguest import TapGuest

IFNAME = "pod37a8eec1ce1"  # as KubeVirt names them: the first 11 digits of a hash of the network's name
MAC = "02:00:00:00:00:a1"
GUEST = "10.1.0.50"
ATTACHMENTS = 2
ORDERS = {"current": CURRENT, "older": OLDER}
INTERRUPTED = [
    pytest.param(order, number, id=f"{name} after {order[number - 1]}")
    for name, order in ORDERS.items()
    for number in range(1, len(order))
]
LOST_AT_THE_END = 1  # the echo whose answer is under way when ping is ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A node with a guest in the Pod `vm`, which has no network yet, and a Pod beside it."""

    node: Node
    binding: BridgeBinding

    @property
    def other(self) -> Namespace:
        """The namespace of the Pod that asks whether the guest is there."""
        return self.node.pod("other")

    def attach(self) -> None:
        """Attach both Pods."""
        guest = {"name": "net", "interface": IFNAME, "mac": MAC, "ips": [f"{GUEST}/24"]}
        pods = (pod("vm", self.node.pod("vm").path, [guest]), pod("other", self.other.path, "net"))
        self.node.put("pods.yaml", as_manifest(*pods))
        self.node.wait_attached("vm", "other")
        self.binding.prepare()

    def detach(self) -> None:
        """Remove both Pods' networks, and what the launcher made."""
        self.node.remove("pods.yaml")
        self.node.wait_detached("vm", "other")
        self.binding.remove()

    def restart(self) -> None:
        """The agent is killed and starts again."""
        self.node.agents[-1].kill()
        self.node.agent()
        self.node.wait_attached("vm", "other")

    def reachable(self) -> bool:
        """Whether the guest answers."""
        return ping(self.other, GUEST, within=10)

    def bound(self) -> list[dict[str, Any]]:
        """The links that the launcher made or changed, without what the kernel makes of them by itself."""
        names = (self.binding.nic, self.binding.bridge, self.binding.tap, IFNAME)
        return [_lasting(self.binding.link(name)) for name in names]


def _lasting(link: dict[str, Any]) -> dict[str, Any]:
    shown = {key: link.get(key) for key in ("ifindex", "ifname", "address", "mtu", "master")}
    infos = [info for info in link.get("addr_info", ()) if info["scope"] == "global"]
    return shown | {"up": "UP" in link.get("flags", ()), "addresses": sorted(info["local"] for info in infos)}


@pytest.fixture(scope="module")
def house(vm_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The scene; the guest boots once and stays on its tap."""
    http = {"listen": f"127.0.0.1:{PORT}"}
    workers = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    with ExitStack() as stack:
        node = stack.enter_context(play_node(tmp_path_factory.mktemp("node"), http=http, workers=workers))
        binding = BridgeBinding(netns=node.pod("vm"), ifname=IFNAME)
        binding.add_tap()
        guest = TapGuest(vm_image, binding.netns, binding.tap, mac=MAC, address=f"{GUEST}/24")
        stack.callback(guest.close)
        network = nad("net", vlan=100, pools=["net"])
        node.put("net.yaml", as_manifest(network, pool("net", "10.1.0.0/24", gateway="10.1.0.1", prefix=24)))
        node.agent()
        yield Scene(node=node, binding=binding)


@pytest.fixture
def scene(house: Scene) -> Iterator[Scene]:
    """The scene with both Pods attached, and nothing bound."""
    house.attach()
    yield house
    print(house.node.logs())  # pytest shows it when the test failed
    house.detach()


@contextmanager
def _no_echo_lost(asking: Namespace, target: str) -> Iterator[None]:
    """Ask all the while: AssertionError if an answer was missing."""
    argv = ["nsenter", f"--net={asking.path}", "--", "ping", "-n", "-q", "-i", "0.2", target]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=10)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert found, said
    sent, received = map(int, found.groups())
    assert received >= sent - LOST_AT_THE_END, said


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_guest_is_reachable_through_checks_and_agents_that_end(scene: Scene, order: tuple[str, ...]) -> None:
    node = scene.node
    scene.binding.bind(order)
    assert scene.reachable()
    before = scene.bound()
    with _no_echo_lost(scene.other, GUEST):
        wait_checked(node, ATTACHMENTS)
        scene.restart()
        wait_checked(node, ATTACHMENTS)
        node.stop()  # as for an upgrade: the next agent finds the same state
        node.agent()
        node.wait_attached("vm", "other")
        wait_checked(node, ATTACHMENTS)
    assert scene.bound() == before


@pytest.mark.parametrize(("order", "number"), INTERRUPTED)
def test_a_launcher_that_is_interrupted(scene: Scene, order: tuple[str, ...], number: int) -> None:
    """Checks and a start of an agent come between two of its steps. None of those since the link is renamed is undone.

    What is merely down, or has no address, is no virtual machine's yet, and is repaired: the launcher begins again with the
    same link.
    """
    attached = scene.binding.link(IFNAME)["ifindex"]
    scene.binding.bind(order[:number])
    renamed = "rename" in order[:number]
    before = scene.bound()
    for come_between in (partial(wait_checked, scene.node, ATTACHMENTS), scene.restart):
        come_between()
        if renamed:
            assert scene.bound() == before
    scene.binding.bind(order[number:] if renamed else order)
    assert scene.binding.link(scene.binding.nic)["ifindex"] == attached
    assert scene.reachable()
    wait_checked(scene.node, ATTACHMENTS)
    assert scene.reachable()
