"""Two nodes, each with its own Open vSwitch and agent, joined by a wire between their uplinks that carries VLAN tags."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.frames import IPV4, Frame
from secnet_testing.netns import Namespace, frames, ping, run_in
from secnet_testing.node import BRIDGE, Node, play_node
from secnet_testing.node_inspection import addresses, picture, unchanged, write
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.nodes

UPLINK = "up0"
# One subnet for every VLAN, so that only tags keep Pods apart.
SHARED = (
    nad("red", vlan=11, pools=["v4", "v6"]),
    nad("blue", vlan=12, pools=["v4", "v6"]),
    nad("flat", pools=["v4", "v6"]),
    pool("v4", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24),
    pool("v6", "fd00:1::10-fd00:1::99", gateway="fd00:1::1", prefix=64),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two nodes that share one store of objects, as two nodes of a cluster do."""

    one: Node
    two: Node

    def pod(self, name: str, networks: Any) -> dict[str, Any]:
        """The manifest of a Pod `NODE-...`, for the node that its name begins with."""
        node = self.node(name)
        number = "1" if node is self.one else "2"
        return pod(name, node.pod(name).path, networks) | {"spec": {"nodeName": f"node-{number}"}}

    def node(self, name: str) -> Node:
        """The node of a Pod."""
        return self.one if name.startswith("one") else self.two

    def namespace(self, name: str) -> Namespace:
        """A Pod's namespace."""
        return self.node(name).pod(name)


def _configure(node: Node, number: int, state_dir: Path) -> None:
    node.state_dir = state_dir
    bridges = [{"bridgeName": BRIDGE, "physicalInterfaces": [UPLINK]}]
    node.configure(nodeName=f"node-{number}", stateDir=str(state_dir), manifests=None, ovsBridges=bridges)


@pytest.fixture(scope="module")
def bare_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both nodes and the wire; no agent runs."""
    folder = tmp_path_factory.mktemp("nodes")
    for name in ("one", "two"):
        (folder / name).mkdir()
    with play_node(folder / "one") as one, play_node(folder / "two") as two:
        wire = [UPLINK, "type", "veth", "peer", "name", UPLINK, "netns", two.namespace.name]
        run_in(one.namespace, ["ip", "link", "add", *wire])
        _configure(one, 1, folder / "state")
        _configure(two, 2, folder / "state")
        yield Pair(one=one, two=two)


@pytest.fixture(scope="module")
def pair(bare_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Agents on both nodes, with Pods of each network on each."""
    for node in (bare_pair.one, bare_pair.two):
        node.agent()
    names = [f"{side}-{network}" for side in ("one", "two") for network in ("red", "blue", "flat")]
    pods = [bare_pair.pod(name, name.split("-")[1]) for name in names]
    folder = write(tmp_path_factory.mktemp("manifests"), *SHARED, *pods)
    for node in (bare_pair.one, bare_pair.two):
        done = node.cli("apply", folder)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{node.logs()}"
    yield bare_pair
    for node in (bare_pair.one, bare_pair.two):
        assert node.cli("delete", folder).returncode == 0
        node.stop()


def _talk(pair: Pair, one: str, two: str, *, within: float = 3.0) -> set[bool]:
    """Whether each of two Pods answers the other, on each family."""
    ways = [(a, item) for a, b in ((one, two), (two, one)) for item in addresses(pair.namespace(b), "eth1")]
    assert len(ways) == 4

    def ask(way: tuple[str, str]) -> bool:
        return ping(pair.namespace(way[0]), way[1].split("/")[0], source="eth1", within=within)

    with ThreadPoolExecutor(len(ways)) as at_once:
        return set(at_once.map(ask, ways))


def test_each_node_attaches_its_own_pods_only(pair: Pair) -> None:
    for node, side in ((pair.one, "one"), (pair.two, "two")):
        names = {record.pod.name for record in node.records() if record.pod}
        assert names == {f"{side}-red", f"{side}-blue", f"{side}-flat"}
        assert UPLINK in node.ovs.rows()["Bridge"][BRIDGE]["ports"]


@pytest.mark.parametrize("network", [pytest.param("red", marks=pytest.mark.smoke), "blue", "flat"])
def test_pods_of_one_network_talk_across_nodes(pair: Pair, network: str) -> None:
    assert _talk(pair, f"one-{network}", f"two-{network}") == {True}


@pytest.mark.parametrize(("one", "two"), [("red", "blue"), ("red", "flat"), ("flat", "blue")])
def test_pods_of_different_networks_do_not(pair: Pair, one: str, two: str) -> None:
    """The positive control are the same Pods above, with a Pod of their own network."""
    assert _talk(pair, f"one-{one}", f"two-{two}", within=1) == {False}


@pytest.mark.parametrize(("network", "vlan"), [("red", 11), ("blue", 12), ("flat", None)])
def test_the_wire_carries_the_tag_of_the_network(pair: Pair, network: str, vlan: int | None) -> None:
    source, target = pair.namespace(f"one-{network}"), addresses(pair.namespace(f"two-{network}"), "eth1")[0]
    own = addresses(source, "eth1")[0].split("/")[0]
    with frames(pair.two.namespace, UPLINK) as wire:
        assert ping(source, target.split("/")[0], source="eth1")
        assert wire.wait_for(lambda frame: _is_ipv4_of(frame, own)).vlan == vlan
        assert {frame.vlan for frame in wire.seen if _is_ipv4_of(frame, own)} == {vlan}


def _is_ipv4_of(frame: Frame, source: str) -> bool:
    return frame.ethertype == IPV4 and ".".join(map(str, frame.payload[12:16])) == source


def test_a_port_retagged_on_one_node_changes_who_talks(pair: Pair) -> None:
    """The same two Pods: silent on two VLANs, talking on one, silent again."""
    assert _talk(pair, "one-red", "two-blue", within=1) == {False}
    (port,) = (r.attachment.names["host"] for r in pair.two.records() if r.pod and r.pod.name == "two-blue")
    pair.two.ovs.vsctl("set", "Port", port, "tag=11")
    try:
        assert _talk(pair, "one-red", "two-blue", within=5) == {True}
    finally:
        pair.two.ovs.vsctl("set", "Port", port, "tag=12")
    assert _talk(pair, "two-blue", "one-blue", within=5) == {True}


def test_two_agents_with_one_store_do_not_take_each_others_addresses(pair: Pair) -> None:
    """Each sweeps what its own Pods no longer hold; the other node's Pods are not in its table."""
    held = {
        entry["owner"]["pod"]["name"]: entry["ipAddress"]
        for entry in pair.one.store.get("IPPool", "v4")["status"]["ipAddresses"]
    }
    assert held == {
        name: addresses(pair.namespace(name), "eth1")[0].split("/")[0]
        for name in (f"{side}-{network}" for side in ("one", "two") for network in ("red", "blue", "flat"))
    }


def test_twenty_pods_on_two_nodes_get_no_address_twice(bare_pair: Pair, tmp_path: Path) -> None:
    pair = bare_pair
    for node in (pair.one, pair.two):
        node.stop()
    shared = write(tmp_path / "shared", nad("many", vlan=30, pools=["many", "many6"]), *_many())
    for node in (pair.one, pair.two):
        assert node.cli("apply", shared).returncode == 0
    names = {side: [f"{side}-{number}" for number in range(10)] for side in ("one", "two")}
    folders = {
        side: write(tmp_path / side, *(pair.pod(name, "many") for name in names[side])) for side in ("one", "two")
    }
    before = {side: picture(pair.node(side)) for side in names}
    with ThreadPoolExecutor(2) as both:
        runs = list(both.map(lambda side: pair.node(side).cli("apply", folders[side]), names))
    assert [run.returncode for run in runs] == [0, 0], "\n".join(run.stdout + run.stderr for run in runs)
    found = [item for side in names for name in names[side] for item in addresses(pair.namespace(name), "eth1")]
    assert (len(found), len(set(found))) == (40, 40)
    assert pair.one.store.get("IPPool", "many")["status"]["usage"] == {"total": 40, "used": 20}
    assert ping(pair.namespace("one-0"), addresses(pair.namespace("two-9"), "eth1")[0].split("/")[0])
    with ThreadPoolExecutor(2) as both:
        runs = list(both.map(lambda side: pair.node(side).cli("delete", folders[side]), names))
    assert [run.returncode for run in runs] == [0, 0], "\n".join(run.stdout + run.stderr for run in runs)
    for side in names:
        unchanged(before[side], pair.node(side))


def _many() -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        pool("many", "10.30.0.10-10.30.0.49", gateway="10.30.0.1", prefix=24),
        pool("many6", "fd00:30::10-fd00:30::ff", gateway="fd00:30::1", prefix=64),
    )
