"""The nodes, what is desired of them, and the hands that change both."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..agent_process import AgentProcess
from ..cluster_node import play_cluster_node
from ..kubeapi.process import KubeApiProcess
from ..netns import run_in
from ..node import BRIDGE, Node, play_node
from ..objects import nad, pool
from . import agent
from .sources import ApiSource, ManifestSource, Source, Wanted

__all__ = ["NAMESPACES", "NETWORKS", "UPLINK", "Machine", "World", "play_world"]

UPLINK = "up0"
NAMESPACES = ("default", "tenant")
NETWORKS = ("red", "blue", "flat")
_POOLS = ["v4", "v6"]
_FILL = "fill"
_RUN_MB = 16
_SETTINGS: dict[str, Any] = {
    "ovsBridges": [{"bridgeName": BRIDGE, "physicalInterfaces": [UPLINK]}],
    "workers": {"count": 4, "attachTimeout": 10, "checkInterval": 5, "drainSeconds": 3},
    "log": {"level": "info"},
}


@dataclass
class Machine:
    """A node with its agent, and the faults it has now. offset: the file that moves the agent's clock."""

    node: Node
    offset: Path
    index: int
    agent: AgentProcess | None = None
    frozen: bool = False
    switch_down: bool = False
    database_down: bool = False
    uplink_down: bool = False

    def start_agent(self) -> None:
        """Start it; nothing if it runs."""
        if self.agent is None or not self.agent.running:
            self.agent = self.node.agent(program=agent.entry(self.offset), ready=False)
            self.frozen = False

    def fill(self) -> None:
        """Leave no room where the agent keeps its records."""
        with suppress(OSError), (self.node.run_dir / _FILL).open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()

    def empty(self) -> None:
        """Give the room back."""
        (self.node.run_dir / _FILL).unlink(missing_ok=True)

    def end_faults(self) -> None:
        """End every fault of the node. The clock stays as it is: it is wrong, and that is no reason for anything."""
        self.empty()
        if self.database_down:
            self.node.ovs.start_server()
            self.database_down = False
        if self.switch_down:
            self.node.ovs.start_switch()
            self.switch_down = False
        if self.uplink_down:
            run_in(self.node.namespace, ["ip", "link", "set", UPLINK, "up"])
            self.uplink_down = False
        if self.frozen and self.agent is not None and self.agent.running:
            os.kill(self.agent.pid, signal.SIGCONT)
            self.frozen = False
        self.start_agent()


@dataclass
class World:
    """See the package. pods: desired ones by namespace and name. nads: their VLANs now. absent: networks without NAD."""

    machines: list[Machine]
    source: Source
    pods: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    nads: dict[str, int | None] = field(default_factory=lambda: {"red": 11, "blue": 12, "flat": None})
    absent: set[str] = field(default_factory=set)
    ends: dict[str, int] = field(default_factory=lambda: {"v4": 99, "v6": 0x99})
    _number: int = 0

    def new_name(self, prefix: str) -> str:
        """One that was not used before."""
        self._number += 1
        return f"{prefix}{self._number}"

    def put_pools(self) -> None:
        """The pools as they should be. The last address that each gives is in `ends`."""
        self.source.put(pool("v4", f"10.1.0.10-10.1.0.{self.ends['v4']}", gateway="10.1.0.1", prefix=24))
        self.source.put(pool("v6", f"fd00:1::10-fd00:1::{self.ends['v6']:x}", gateway="fd00:1::1", prefix=64))

    def put_nads(self) -> None:
        """The NADs that are not absent, in every namespace."""
        for namespace in NAMESPACES:
            for name in sorted(set(NETWORKS) - self.absent):
                vlan = self.nads[name]
                options: dict[str, Any] = {} if vlan is None else {"vlan": vlan}
                self.source.put(nad(name, pools=_POOLS, namespace=namespace, **options))

    def remove_nad(self, name: str) -> None:
        """Delete a network's NADs; Pods that have it keep it."""
        self.absent.add(name)
        for namespace in NAMESPACES:
            self.source.remove("NetworkAttachmentDefinition", name, namespace)

    def put_pod(self, wanted: Wanted) -> None:
        """Create the Pod, or bring it up to date."""
        self.source.put_pod(wanted)
        self.pods[wanted.key] = wanted

    def delete_pod(self, wanted: Wanted, *, sandbox_first: bool) -> None:
        """Delete the Pod; its sandbox ends before or after that."""
        del self.pods[wanted.key]
        self.source.delete_pod(wanted, sandbox_first=sandbox_first)

    def replace_sandbox(self, wanted: Wanted, *, end_first: bool) -> None:
        """Its sandbox ends and it gets another one."""
        netns = self.new_name(f"{wanted.name}-")
        self.pods[wanted.key] = self.source.replace_sandbox(wanted, end_first=end_first, netns=netns)

    def end_faults(self) -> None:
        """End every fault: from now on all has to come true."""
        self.source.end_faults()
        for machine in self.machines:
            machine.end_faults()
        self.absent.clear()
        self.put_nads()
        self.put_pools()


@contextmanager
def play_world(folder: Path, count: int, *, with_api: bool) -> Iterator[World]:
    """A world of one or two nodes, taken away at the end. Its agents run. with_api: the objects are in the API double."""
    with ExitStack() as stack:
        nodes, source = (_api if with_api else _manifests)(folder, count, stack)
        _wire(nodes)
        machines = []
        for index, node in enumerate(nodes):
            offset = node.folder / "clock"
            offset.write_text("0", encoding="ascii")
            machines.append(Machine(node=node, offset=offset, index=index))
        world = World(machines=machines, source=source)
        world.put_pools()
        world.put_nads()
        for machine in machines:
            machine.start_agent()
        yield world


def _manifests(folder: Path, count: int, stack: ExitStack) -> tuple[list[Node], Source]:
    nodes = []
    for number in range(1, count + 1):
        home = _home(folder, number, stack)
        node = stack.enter_context(play_node(home))
        node.state_dir = folder / "state"
        node.configure(nodeName=f"node-{number}", stateDir=str(node.state_dir), manifests=None, **_SETTINGS)
        nodes.append(node)
    return nodes, ManifestSource(nodes, folder / "state")


def _api(folder: Path, count: int, stack: ExitStack) -> tuple[list[Node], Source]:
    api = KubeApiProcess(bookmarks=0.1)
    stack.callback(api.stop)
    for namespace in NAMESPACES[1:]:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    nodes = []
    for number in range(1, count + 1):
        home = _home(folder, number, stack)
        nodes.append(stack.enter_context(play_cluster_node(home, api, name=f"node-{number}", **_SETTINGS)))
    return [each.node for each in nodes], ApiSource(nodes, api)


def _home(folder: Path, number: int, stack: ExitStack) -> Path:
    """A node's folder. Its run directory is a file system of its own, that can be filled without harm."""
    home = folder / f"node-{number}"
    run_dir = home / "run"
    run_dir.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_RUN_MB}m,mode=755", "sn-chaos", str(run_dir)], check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", str(run_dir)], check=False)
    return home


def _wire(nodes: Sequence[Node]) -> None:
    """Join the uplinks; that of a single node leads to a link that no one uses."""
    first = nodes[0].namespace
    other = ["peer", "name", UPLINK, "netns", nodes[1].namespace.name] if len(nodes) > 1 else ["peer", "name", "far0"]
    run_in(first, ["ip", "link", "add", UPLINK, "type", "veth", *other])
    if len(nodes) == 1:
        run_in(first, ["ip", "link", "set", "far0", "up"])
