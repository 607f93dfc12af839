"""When the agents of many nodes look through the leases: soon enough for a removed node's, and seldom enough for the API."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.agent.attach.lease_rounds import LeaseRounds
from secnet.agent.state.journal import Journal
from secnet.agent.state.sandbox_ledger import SandboxLedger
from secnet.contract import Call, IpamLease, IpamOwner, IpamRequest, PodRef, Unavailable

ROUND = 60.0
GRACE = 300.0
AGENTS = "secnet-system"


@dataclass
class World:
    """Pods by node, the leases in the pools, the time, and what the API was asked. No API: thousands of seconds pass here."""

    pods: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    leases: dict[str, IpamLease] = field(default_factory=dict)
    now: float = 0.0
    away: bool = False
    agents_are_pods: bool = True
    pool_lists: int = 0
    pod_lists: list[float] = field(default_factory=list)
    gets: int = 0

    def add_node(self, name: str, pods: int) -> None:
        self.pods[name] = {("default", f"{name}-{number}") for number in range(pods)}
        for namespace, pod in self.pods[name]:
            owner = IpamOwner(
                container_id=pod, ifname="eth1", pod=PodRef(namespace=namespace, name=pod, uid="", node="")
            )
            self.leases[pod] = IpamLease(owner=owner, addresses=())

    def left_of(self, node: str) -> int:
        return sum(name.startswith(f"{node}-") for name in self.leases)

    # What the collector asks

    def backend(self, ipam_type: str) -> World:
        return self

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        if self.away:
            raise Unavailable("away")
        self.pool_lists += 1
        return tuple(self.leases.values())

    def release_unheld(self, ipam_type: str, request: IpamRequest, call: Call) -> None:
        del self.leases[request.owner.container_id]

    def all_pods(self) -> frozenset[tuple[str, str]]:
        self.pod_lists.append(self.now)
        agents = {(AGENTS, f"agent-{node}") for node in self.pods if self.agents_are_pods}
        return frozenset(agents).union(*self.pods.values())

    def get(self, namespace: str, name: str) -> bool | None:
        self.gets += 1
        return False if any((namespace, name) in pods for pods in self.pods.values()) else None


class Agents:
    """An agent for each node, and the time in which they act."""

    def __init__(self, folder: Path, world: World, seed: int) -> None:
        self.world = world
        self.rounds = {}
        chance = random.Random(seed).random
        for node in world.pods:
            collector = LeaseGarbageCollector(
                plugins=world,  # type: ignore[arg-type]
                journal=Journal(folder / node / "journal"),
                has_found=lambda key: False,
                sandboxes=lambda node=node: {key: key[1] for key in world.pods[node]},
                pod_here=world.get,
                has_ended=lambda container: False,
                served=SandboxLedger(folder / node),
                grace=GRACE,
                all_pods=world.all_pods,
                agent_namespace=AGENTS,
                clock=lambda: world.now,
            )
            self.rounds[node] = LeaseRounds(collector, clock=lambda: world.now, chance=chance)

    def run(self, seconds: float) -> None:
        """Let time pass, as the agents' loops do: each wakes when it is due."""
        until = self.world.now + seconds
        while self.world.now < until:
            for rounds in self.rounds.values():
                rounds.run(["antrea"], Call())
            step = min(rounds.due_in() for rounds in self.rounds.values())
            self.world.now = min(until, self.world.now + max(1.0, step))

    def remove(self, node: str) -> None:
        """The node is gone, and its Pods' objects."""
        del self.world.pods[node], self.rounds[node]


@pytest.fixture(params=[1, 2, 3], ids=lambda seed: f"seed {seed}")
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize("nodes", [2, 5])
def test_the_leases_of_a_removed_node_in_a_small_cluster(tmp_path: Path, seed: int, nodes: int) -> None:
    world = World()
    for number in range(nodes):
        world.add_node(f"n{number}", 10)
    agents = Agents(tmp_path, world, seed)
    agents.run(1000)
    agents.remove("n0")
    agents.run(GRACE - 1)
    assert world.left_of("n0") == 10, "never before the grace period is over"
    agents.run(1 + ROUND + 1)
    assert world.left_of("n0") == 0
    assert len(world.leases) == 10 * (nodes - 1)


def test_one_agent_alone_with_the_leases_of_a_node_that_had_all_pods(tmp_path: Path, seed: int) -> None:
    world = World()
    world.add_node("n0", 100)
    world.add_node("n1", 0)
    agents = Agents(tmp_path, world, seed)
    agents.run(1000)
    agents.remove("n0")
    agents.run(GRACE + ROUND + 1)
    assert world.leases == {}


def test_many_nodes_list_together_and_not_each(tmp_path: Path) -> None:
    """A few lists of all Pods a minute in the whole cluster, and of the pools little more; hardly a GET."""
    world = World()
    for number in range(40):
        world.add_node(f"n{number}", 25)
    agents = Agents(tmp_path, world, seed=1)
    agents.run(60)
    world.pod_lists.clear()
    world.pool_lists = world.gets = 0
    agents.run(1200)
    assert 40 < len(world.pod_lists) < 150, "3 in a round of 40 to 60 seconds"
    assert world.pool_lists < len(world.pod_lists) + 40 * 3
    assert world.gets == 0
    before = world.now
    agents.remove("n7")
    world.pod_lists.clear()
    agents.run(GRACE + 2 * ROUND)
    assert world.left_of("n7") == 0
    assert len(world.leases) == 39 * 25
    assert world.pod_lists[0] - before < ROUND
    assert world.gets < 25 * 40, "an agent asks for each twice: when it misses it, and before it releases it"


@pytest.mark.parametrize("leases", [1, 150], ids=["one lease", "all leases on one node"])
def test_many_nodes_with_few_leases_list_no_more_often(tmp_path: Path, leases: int) -> None:
    world = World()
    world.add_node("n0", leases)
    for number in range(1, 60):
        world.add_node(f"n{number}", 0)
    agents = Agents(tmp_path, world, seed=1)
    agents.run(60)
    world.pod_lists.clear()
    agents.run(1200)
    assert 40 < len(world.pod_lists) < 150, "3 in a round of 40 to 60 seconds"
    agents.remove("n0")
    agents.run(GRACE + 2 * ROUND)
    assert world.leases == {}


def test_agents_that_are_no_pods_list_by_their_share_of_the_leases(tmp_path: Path) -> None:
    world = World()
    world.agents_are_pods = False
    for number in range(20):
        world.add_node(f"n{number}", 10)
    agents = Agents(tmp_path, world, seed=1)
    agents.run(60)
    world.pod_lists.clear()
    agents.run(1200)
    assert 40 < len(world.pod_lists) < 150, "3 in a round of 40 to 60 seconds"


def test_an_api_server_that_is_away_delays_a_look_and_loses_none(tmp_path: Path, seed: int) -> None:
    world = World()
    world.add_node("n0", 10)
    world.add_node("n1", 10)
    agents = Agents(tmp_path, world, seed)
    agents.run(100)
    agents.remove("n0")
    agents.run(ROUND)
    world.away = True
    agents.run(GRACE)
    assert world.left_of("n0") == 10
    world.away = False
    agents.run(30)
    assert world.left_of("n0") == 0


def test_a_pod_that_comes_back_in_between_is_in_no_doubt(tmp_path: Path, seed: int) -> None:
    world = World()
    world.add_node("n0", 1)
    world.add_node("n1", 1)
    agents = Agents(tmp_path, world, seed)
    agents.run(100)
    pods = world.pods["n0"]
    agents.remove("n0")
    agents.run(2 * ROUND)
    world.pods["n2"] = pods  # the same name, on another node
    agents.run(GRACE)
    assert world.left_of("n0") == 1
    del world.pods["n2"]
    agents.run(GRACE - 1)
    assert world.left_of("n0") == 1
    agents.run(ROUND + 2)
    assert world.left_of("n0") == 0
