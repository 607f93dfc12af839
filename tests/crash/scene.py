"""What the crash tests act on: a node with two networks, and a Pod with an eth0 and default routes of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secnet.agent.cluster.files.state_files import StateFiles
from secnet.agent.cluster.kinds import ObjectKey
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing import node_snapshot
from secnet_testing.netns import Namespace, run_in
from secnet_testing.node import Node, play_node
from secnet_testing.objects import nad, pod, pool

__all__ = ["POD", "Scene", "play_scene", "wait_equal"]

POD = "web"
NETWORKS = [{"name": "dual", "default-route": ["10.1.0.1", "fd00:1::1"]}, {"name": "second", "interface": "net2"}]
_POD_KEY = ObjectKey("Pod", "default", POD)
_EQUAL_SECONDS = 10.0
_POLL_SECONDS = 0.05


class Scene:
    """A node whose objects stay the same over many lives of its agent, so that all names and addresses do.

    empty, attached: pictures of the two states, set by a test that takes them.
    """

    empty: HostSnapshot
    attached: HostSnapshot

    def __init__(self, node: Node) -> None:
        self.node = node
        self._give_objects()
        _make_eth0(node.pod(POD))
        self.detach()

    def _give_objects(self) -> None:
        store = self.node.store
        store.apply(pool("four", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24, vlan=100))
        store.apply(pool("six", "fd00:1::/112", gateway="fd00:1::1", prefix=64, vlan=100))
        store.apply(pool("other", "10.2.0.10-10.2.0.99", gateway="10.2.0.1", prefix=24))
        routes = [{"dst": "10.77.0.0/16"}, {"dst": "fd00:77::/64", "gw": "fd00:1::1:9"}]
        store.apply(nad("dual", pools=["four", "six"], ipam={"routes": routes}))
        store.apply(nad("second", pools=["other"], vlan=200, mtu=1400))

    def attach(self, *names: str) -> None:
        """Ask for the networks of these Pods, by default of the one Pod."""
        for name in names or (POD,):
            self.node.store.apply(pod(name, self.node.pod(name).path, NETWORKS))

    def detach(self, *names: str) -> None:
        """Ask for no networks any more."""
        for name in names or (POD,):
            self.node.store.apply(pod(name, self.node.pod(name).path))

    def delete(self, name: str = POD) -> None:
        """Remove the Pod object."""
        self.node.store.delete("Pod", name, "default")

    def remember_pod(self) -> Callable[[], None]:
        """What puts the Pod object back as it is now, with its uid: a new one would have other names and addresses."""
        files = StateFiles(self.node.state_dir)
        stored = files.read(_POD_KEY)
        assert stored is not None

        def put_back() -> None:
            with files.exclusive() as transaction:
                transaction.write(_POD_KEY, stored)

        return put_back

    def configure(self, **settings: Any) -> None:
        """Write the node configuration again, for the next agent."""
        self.node.configure(manifests=None, **settings)

    def wait_attached(self) -> None:
        """Wait until the running agent says so."""
        self.node.wait_attached(POD)

    def wait_detached(self) -> None:
        """Wait until nothing is recorded and reported."""
        self.node.wait_detached(POD)


def _make_eth0(ns: Namespace) -> None:
    """The Pod's own network, with a default route of each family that `default-route` takes away and detach gives back."""
    for command in (
        "ip link add eth0 type veth peer name far0",
        "ip address add 192.0.2.2/24 dev eth0",
        "ip address add 2001:db8::2/64 dev eth0 nodad",
        "ip link set far0 up",
        "ip link set eth0 up",
        "ip route add default via 192.0.2.1 dev eth0 metric 50",
        "ip -6 route add default via 2001:db8::1 dev eth0 mtu 1300",
    ):
        run_in(ns, command.split())


@contextmanager
def play_scene(folder: Path, **settings: Any) -> Iterator[Scene]:
    """A scene in a folder of its own; no agent runs yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with play_node(folder, manifests=None, **settings) as node:
        yield Scene(node)


def wait_equal(node: Node, expected: HostSnapshot, *, within: float = _EQUAL_SECONDS) -> list[str]:
    """Wait until the node is as expected; returns what still differs when it does not become so."""
    deadline = time.monotonic() + within
    while (lines := diff(expected, node_snapshot.take(node))) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return lines
