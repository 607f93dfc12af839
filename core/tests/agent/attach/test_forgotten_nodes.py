"""What is released on an operator's word: no more than the ledgers of that node alone say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from secnet.agent.attach.forgotten_nodes import ForgottenNodes
from secnet.agent.state.agent_ledgers import AgentLedgers, LedgerEntry, read_ledgers
from secnet.contract import Call, IpamLease, IpamOwner, IpamRequest, NetnsRef, PodRef, Unavailable
from secnet_testing.contract_objects import lease


class Pools:
    """Backends as `Plugins` gives them. A list: which leases are given back is all that matters here."""

    def __init__(self, *containers: str) -> None:
        self.leases = [lease("10.0.0.2/24", container=container) for container in containers]
        self.registry = SimpleNamespace(backends={"antrea": None})
        self.away = False

    def backend(self, ipam_type: str) -> Pools:
        return self

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        return tuple(self.leases)

    def release(self, request: IpamRequest, call: Call) -> None:
        if self.away:
            raise Unavailable("away")
        self.leases = [each for each in self.leases if each.owner != request.owner]

    @property
    def containers(self) -> set[str]:
        return {each.owner.container_id for each in self.leases}


def agent(folder: Path, node: str, *containers: str, tag: str = "secnet") -> None:
    ledgers = AgentLedgers(folder, node, tag)
    for container in containers:
        netns = NetnsRef(path="/run/netns/none", device=1, inode=2)
        ledgers.add(LedgerEntry(container_id=container, boot_id="boot", netns=netns))


def nodes(folder: Path, pools: Pools, *recorded: str) -> ForgottenNodes:
    return ForgottenNodes(pools, folder, recorded)  # type: ignore[arg-type]


def known(folder: Path) -> set[str]:
    return {ledger.node for ledger in read_ledgers(folder)}


def test_all_agents_of_a_node_are_forgotten_and_no_other_nodes(tmp_path: Path) -> None:
    agent(tmp_path, "node-1", "c1", "both")
    agent(tmp_path, "node-1", "c2", tag="other")
    agent(tmp_path, "node-2", "c3", "both")
    pools = Pools("c1", "c2", "c3", "both", "lost")
    released = list(nodes(tmp_path, pools).forget("node-1"))
    assert [str(each) for each in released] == ["10.0.0.2/24 of Pod default/web interface eth1"] * 2
    assert pools.containers == {"c3", "both", "lost"}
    assert known(tmp_path) == {"node-2"}


def test_a_node_is_remembered_until_all_it_had_is_released(tmp_path: Path) -> None:
    agent(tmp_path, "node-1", "c1")
    pools = Pools("c1")
    pools.away = True
    (failed,) = nodes(tmp_path, pools).forget("node-1")
    assert failed.error is not None
    assert known(tmp_path) == {"node-1"}
    pools.away = False
    assert [each.error for each in nodes(tmp_path, pools).forget("node-1")] == [None]
    assert (pools.containers, known(tmp_path)) == (set(), set())


def test_what_no_ledger_names_is_released_without_what_this_nodes_journal_has(tmp_path: Path) -> None:
    agent(tmp_path, "node-1", "c1")
    pools = Pools("c1", "recorded", "lost")
    pools.leases.append(IpamLease(owner=IpamOwner(container_id="of-another-writer", ifname="eth1")))
    released = list(nodes(tmp_path, pools, "recorded").release_unrecorded())
    assert [each.lease.owner.container_id for each in released] == ["lost"]
    assert pools.containers == {"c1", "recorded", "of-another-writer"}


def test_a_lease_without_a_readable_address_is_named_too(tmp_path: Path) -> None:
    pools = Pools()
    owner = IpamOwner(container_id="lost", ifname="eth1", pod=PodRef(namespace="default", name="web", uid=""))
    pools.leases.append(IpamLease(owner=owner))
    (released,) = nodes(tmp_path, pools).release_unrecorded()
    assert str(released) == "no readable address of Pod default/web interface eth1"
