"""Everything that a check looks at is damaged, alone and in pairs: a repair brings the first state back, whole.

All damages of a test are done while the agent stands still or is away, so that a check meets them together.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from secnet_conformance.snapshot import diff
from secnet_testing import node_snapshot
from secnet_testing.agent_page import PORT, metrics
from secnet_testing.netns import Namespace, run_in
from secnet_testing.node import BRIDGE, Node, play_node
from secnet_testing.node_inspection import errors_of, port_of
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

OTHER_BRIDGE = "br-other"
ROUTE = "10.99.0.0/16"
SECONDS = 20.0
REPAIRS_AT_ONCE = 3
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """One Pod's attachment. port: its OVS port and the host's end of its link."""

    node: Node
    netns: Namespace
    port: str

    def inside(self, *argv: str) -> None:
        """Run a program in the Pod; what an earlier damage made impossible is no failure."""
        run_in(self.netns, argv, check=False)

    def outside(self, *argv: str) -> None:
        """The same on the node."""
        run_in(self.node.namespace, argv, check=False)

    def switch(self, *args: str) -> None:
        """The same by ovs-vsctl."""
        with suppress(AssertionError):
            self.node.ovs.vsctl(*args)

    def move_port(self) -> None:
        """Put the port, with all that stands in its rows, on the other bridge."""
        with suppress(AssertionError):
            row = self.node.ovs.vsctl("--bare", "--columns=_uuid", "find", "Port", f"name={self.port}").strip()
            self.node.ovs.vsctl(
                "remove", "Bridge", BRIDGE, "ports", row, "--", "add", "Bridge", OTHER_BRIDGE, "ports", row
            )


Damage = Callable[[Victim], object]

DAMAGES: dict[str, Damage] = {
    "port deleted": lambda it: it.switch("del-port", it.port),
    "tag": lambda it: it.switch("set", "Port", it.port, "tag=99"),
    "trunks": lambda it: it.switch("set", "Port", it.port, "trunks=7,8"),
    "vlan_mode": lambda it: it.switch("set", "Port", it.port, "vlan_mode=trunk"),
    "other bridge": lambda it: it.move_port(),
    "host end down": lambda it: it.outside("ip", "link", "set", it.port, "down"),
    "host end's MTU": lambda it: it.outside("ip", "link", "set", it.port, "mtu", "1300"),
    "host end renamed": lambda it: it.outside("ip", "link", "set", it.port, "name", f"x{it.port[-8:]}"),
    "host end deleted": lambda it: it.outside("ip", "link", "del", it.port),
    "interface down": lambda it: it.inside("ip", "link", "set", "eth1", "down"),
    "MAC": lambda it: it.inside("ip", "link", "set", "eth1", "address", "02:00:00:00:00:99"),
    "MTU": lambda it: it.inside("ip", "link", "set", "eth1", "mtu", "1300"),
    "addresses flushed": lambda it: it.inside("ip", "address", "flush", "dev", "eth1", "scope", "global"),
    "route deleted": lambda it: it.inside("ip", "route", "del", ROUTE),
    "arp_ignore": lambda it: it.inside("sysctl", "-qw", "net.ipv4.conf.eth1.arp_ignore=0"),
    "accept_ra": lambda it: it.inside("sysctl", "-qw", "net.ipv6.conf.eth1.accept_ra=1"),
    "link deleted": lambda it: it.inside("ip", "link", "del", "eth1"),
}
"""What is done to one attachment."""


def _empty_database(node: Node) -> None:
    node.ovs.stop_server()
    node.ovs.new_database()
    node.ovs.start_server()
    node.ovs.vsctl("--no-wait", "init")


def _restart_switch(node: Node) -> None:
    node.ovs.stop_switch()
    node.ovs.start_switch()


NODE_DAMAGES: dict[str, Callable[[Node], object]] = {
    "bridge deleted": lambda node: node.ovs.vsctl("del-br", BRIDGE),
    "empty database": _empty_database,
    "ovs-vswitchd restarted": _restart_switch,  # it notices then which links are gone
}
"""What is done to all of a node's."""


class Scene:
    """A node with a Pod for each damage. edited: the NAD leads to another VLAN and pool since they were attached."""

    def __init__(self, node: Node, *, edited: bool) -> None:
        self.node = node
        names = [f"p{number:02}" for number in range(len(DAMAGES))]
        pools = (
            pool("old", "10.10.0.0/24", gateway="10.10.0.1", prefix=24),
            pool("old6", "fd00:10::/112", gateway="fd00:10::1", prefix=64),
            pool("new", "10.20.0.0/24", gateway="10.20.0.1", prefix=24),
        )
        routes = {"routes": [{"dst": ROUTE}]}
        node.put("pools.yaml", as_manifest(*pools))
        node.put("net.yaml", as_manifest(nad("net", vlan=100, pools=["old", "old6"], ipam=routes, mtu=1400)))
        node.put("pods.yaml", as_manifest(*(pod(name, node.pod(name).path, "net") for name in names)))
        node.agent()
        node.wait_attached(*names)
        self.victims = [Victim(node=node, netns=node.pod(name), port=port_of(node, name, "eth1")) for name in names]
        if edited:
            node.put("net.yaml", as_manifest(nad("net", vlan=200, pools=["new"])))
            node.wait_until(lambda: "Outdated" in node.cli("status").stdout, "the edit is seen")
        self.first = node_snapshot.take_settled(node)

    @contextmanager
    def agent_stands_still(self) -> Iterator[None]:
        """What is done meanwhile is met by the next round of checks all at once."""
        pid = self.node.agents[-1].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def agent_is_away(self) -> Iterator[None]:
        """What is done meanwhile is met by the next agent. It checks many Pods at once, and knows of no earlier repair."""
        self.node.agents[-1].kill()
        yield
        assert self.is_damaged()
        self.node.agent()

    def damage_each(self) -> None:
        """Do to each attachment something else."""
        for victim, damage in zip(self.victims, DAMAGES.values(), strict=True):
            damage(victim)

    def wait_repaired(self) -> None:
        """Wait until all is as at first."""
        deadline = time.monotonic() + SECONDS
        while lines := diff(self.first, node_snapshot.take(self.node)):
            assert time.monotonic() < deadline, "\n".join([*lines, self.node.logs()])
            time.sleep(_POLL_SECONDS)

    def is_damaged(self) -> bool:
        """Whether anything differs from the first state."""
        return bool(diff(self.first, node_snapshot.take(self.node)))


@contextmanager
def _played(folder: Path, *, edited: bool) -> Iterator[Scene]:
    workers = {"count": 16, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}
    bridges = [{"bridgeName": BRIDGE}, {"bridgeName": OTHER_BRIDGE}]
    http = {"listen": f"127.0.0.1:{PORT}"}
    with play_node(folder, workers=workers, ovsBridges=bridges, http=http) as node:
        yield Scene(node, edited=edited)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One whose NAD was edited: what comes back is what was attached all the same."""
    with _played(tmp_path_factory.mktemp("node"), edited=True) as made:
        yield made


def test_each_damage_with_the_nad_as_it_was(tmp_path: Path) -> None:
    with _played(tmp_path, edited=False) as scene:
        with scene.agent_stands_still():
            scene.damage_each()
        scene.wait_repaired()


PAIRS = tuple(itertools.combinations(DAMAGES, 2))


def test_each_damage(scene: Scene) -> None:
    with scene.agent_stands_still():
        scene.damage_each()
    scene.wait_repaired()


def test_a_link_with_another_mac_and_mtu_is_set_back_and_lives_on(scene: Scene) -> None:
    """A new link would end what is bound to it."""
    victim, before = scene.victims[0], _index(scene.victims[0])
    with scene.agent_is_away():
        DAMAGES["MAC"](victim)
        DAMAGES["MTU"](victim)
    scene.wait_repaired()
    assert _index(victim) == before


def _index(victim: Victim) -> str:
    return run_in(victim.netns, ["ip", "-o", "link", "show", "dev", "eth1"]).split(":")[0]


@pytest.mark.parametrize("first", range(0, len(PAIRS), len(DAMAGES)))
def test_each_pair_of_damages(scene: Scene, first: int) -> None:
    """As many pairs at once as there are Pods."""
    with scene.agent_is_away():
        for victim, pair in zip(scene.victims, PAIRS[first:], strict=False):
            for name in pair:
                DAMAGES[name](victim)
    scene.wait_repaired()


@pytest.mark.parametrize("name", NODE_DAMAGES)
def test_damage_of_the_whole_node_after_each_of_an_attachment(scene: Scene, name: str) -> None:
    with scene.agent_is_away():
        scene.damage_each()
        NODE_DAMAGES[name](scene.node)
    scene.wait_repaired()


def test_what_breaks_again_and_again_is_counted_and_left_for_a_while(scene: Scene) -> None:
    victim, name, before = scene.victims[0], "p00", _repairs(scene)
    for _ in range(REPAIRS_AT_ONCE):
        DAMAGES["interface down"](victim)
        scene.wait_repaired()
    DAMAGES["interface down"](victim)
    scene.node.wait_until(lambda: errors_of(scene.node.status(), name), "the drift is reported")
    (error,) = errors_of(scene.node.status(), name)
    assert error["reason"] == "Degraded"
    assert "breaks it again" in error["hint"]
    assert _repairs(scene) == before + REPAIRS_AT_ONCE
    with scene.agent_is_away():
        pass
    scene.wait_repaired()


def _repairs(scene: Scene) -> float:
    return sum(value for key, value in metrics(scene.node).items() if key.startswith("secnet_repairs_total"))
