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

from secnet.agent.cluster.files.store import FileStore
from secnet.contract import ObjectNotFound

from ..agent_process import AgentProcess
from ..netns import Namespace, run_in
from ..node import BRIDGE, Node, play_node
from ..objects import nad, pod, pool
from . import agent

__all__ = ["NAMESPACES", "NETWORKS", "Machine", "Wanted", "World", "play_world"]

UPLINK = "up0"
NAMESPACES = ("default", "tenant")
NETWORKS = ("red", "blue", "flat")
_POOLS = ["v4", "v6"]
_FILL = "fill"
_RUN_MB = 16


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A Pod that is desired. netns: which namespace of its node it has, by a name that is used once."""

    namespace: str
    name: str
    machine: int
    netns: str
    networks: tuple[dict[str, Any], ...]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.name)


@dataclass
class Machine:
    """A node with its agent, whose faults are held here. filled, frozen: see `World`."""

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


@dataclass
class World:
    """See the package. pods: desired ones by namespace and name. nads: their VLANs now. absent: networks without NAD."""

    machines: list[Machine]
    store: FileStore
    pods: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    nads: dict[str, int | None] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    ends: dict[str, int] = field(default_factory=lambda: {"v4": 99, "v6": 0x99})
    _number: int = 0

    def new_name(self, prefix: str) -> str:
        """One that was not used before."""
        self._number += 1
        return f"{prefix}{self._number}"

    # Objects

    def put_pools(self) -> None:
        """The pools as they should be. An address at most `ends` is given."""
        self.store.apply(
            pool("v4", f"10.1.0.10-10.1.0.{self.ends['v4']}", gateway="10.1.0.1", prefix=24),
        )
        self.store.apply(pool("v6", f"fd00:1::10-fd00:1::{self.ends['v6']:x}", gateway="fd00:1::1", prefix=64))

    def put_nads(self) -> None:
        """The NADs that are not absent, in every namespace."""
        for namespace in NAMESPACES:
            for name in NETWORKS:
                if name not in self.absent:
                    vlan = self.nads.get(name)
                    options = {} if vlan is None else {"vlan": vlan}
                    self.store.apply(nad(name, pools=_POOLS, namespace=namespace, **options))

    def remove_nad(self, name: str) -> None:
        """Delete a network's NADs; Pods that have it keep it."""
        self.absent.add(name)
        for namespace in NAMESPACES:
            with suppress(ObjectNotFound):
                self.store.delete("NetworkAttachmentDefinition", name, namespace)

    def put_pod(self, wanted: Wanted) -> None:
        """Create the Pod, or bring it up to date."""
        machine = self.machines[wanted.machine]
        path = machine.node.pod(wanted.netns).path
        manifest = pod(wanted.name, path, list(wanted.networks), namespace=wanted.namespace)
        self.store.apply({**manifest, "spec": {"nodeName": f"node-{wanted.machine + 1}"}})
        self.pods[wanted.key] = wanted

    def delete_pod(self, wanted: Wanted, *, sandbox_first: bool) -> None:
        """Delete the Pod, and its namespace before or after that."""
        if sandbox_first:
            self.remove_netns(wanted)
        self.pods.pop(wanted.key, None)
        with suppress(ObjectNotFound):
            self.store.delete("Pod", wanted.name, wanted.namespace)
        if not sandbox_first:
            self.remove_netns(wanted)

    def remove_netns(self, wanted: Wanted) -> None:
        """Its sandbox ends."""
        node = self.machines[wanted.machine].node
        if wanted.netns in node.pods:
            node.delete_pod_namespace(wanted.netns)

    def netns(self, wanted: Wanted) -> Namespace:
        """The namespace of a Pod."""
        return self.machines[wanted.machine].node.pod(wanted.netns)

    # Faults that last until `mend`

    def fill(self, machine: Machine) -> None:
        """Leave no room where the agent keeps its records."""
        with suppress(OSError), (machine.node.run_dir / _FILL).open("wb") as file:
            while True:
                file.write(b"\0" * 65536)
                file.flush()

    def empty(self, machine: Machine) -> None:
        """Give the room back."""
        (machine.node.run_dir / _FILL).unlink(missing_ok=True)

    def mend(self) -> None:
        """End every fault: from now on all has to come true."""
        for machine in self.machines:
            self.empty(machine)
            if machine.database_down:
                machine.node.ovs.start_server()
                machine.database_down = False
            if machine.switch_down:
                machine.node.ovs.start_switch()
                machine.switch_down = False
            if machine.uplink_down:
                run_in(machine.node.namespace, ["ip", "link", "set", UPLINK, "up"])
                machine.uplink_down = False
            if machine.frozen and machine.agent is not None and machine.agent.running:
                os.kill(machine.agent.pid, signal.SIGCONT)
                machine.frozen = False
            machine.start_agent()
        self.absent.clear()
        self.put_nads()
        self.put_pools()


@contextmanager
def play_world(folder: Path, count: int) -> Iterator[World]:
    """A world of one or two nodes, taken away at the end. Its agents run."""
    state_dir = folder / "state"
    with ExitStack() as stack:
        nodes: list[Node] = []
        for number in range(1, count + 1):
            home = folder / f"node-{number}"
            home.mkdir()
            node = stack.enter_context(play_node(home))
            _mount_small(node.run_dir, stack)
            stack.callback(node.end_agents)
            nodes.append(node)
        _wire(nodes)
        for number, node in enumerate(nodes, 1):
            node.state_dir = state_dir
            node.configure(
                nodeName=f"node-{number}",
                stateDir=str(state_dir),
                manifests=None,
                ovsBridges=[{"bridgeName": BRIDGE, "physicalInterfaces": [UPLINK]}],
                workers={"count": 4, "attachTimeout": 10, "checkInterval": 5, "drainSeconds": 3},
                log={"level": "info"},
            )
        machines = []
        for index, node in enumerate(nodes):
            offset = node.folder / "clock"
            offset.write_text("0", encoding="ascii")
            machines.append(Machine(node=node, offset=offset, index=index))
        world = World(machines=machines, store=FileStore(state_dir), nads={"red": 11, "blue": 12, "flat": None})
        world.put_pools()
        world.put_nads()
        for machine in machines:
            machine.start_agent()
        yield world


def _mount_small(path: Path, stack: ExitStack) -> None:
    """A file system of its own, that can be filled without harm."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_RUN_MB}m,mode=755", "sn-chaos", str(path)], check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", str(path)], check=False)


def _wire(nodes: Sequence[Node]) -> None:
    """Join the uplinks; that of a single node leads to a link that no one uses."""
    first = nodes[0].namespace
    other = ["peer", "name", UPLINK, "netns", nodes[1].namespace.name] if len(nodes) > 1 else ["peer", "name", "far0"]
    run_in(first, ["ip", "link", "add", UPLINK, "type", "veth", *other])
    if len(nodes) == 1:
        run_in(first, ["ip", "link", "set", "far0", "up"])
