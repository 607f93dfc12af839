"""Which addresses are given back, and when: one that is given back too early is given twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.attach.lease_gc import LeaseGarbageCollector
from secnet.agent.state.journal import Journal
from secnet.agent.state.sandbox_ledger import SandboxLedger
from secnet.contract import (
    AttachmentId,
    Call,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseAddress,
    NetworkRef,
    PodRef,
    Unavailable,
)

WEB = ("default", "web-0")
GRACE = 300.0


class Pools:
    """The leases of one backend. A list: which of them are asked for and given back is all that matters here."""

    def __init__(self, *containers: str) -> None:
        self.leases = [lease(container) for container in containers]
        self.away = False

    def backend(self, ipam_type: str) -> Pools:
        return self

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        if self.away:
            raise Unavailable("away")
        return tuple(self.leases)

    def release_unheld(self, ipam_type: str, request: IpamRequest, call: Call) -> None:
        self.leases = [each for each in self.leases if each.owner != request.owner]

    @property
    def containers(self) -> list[str]:
        return [each.owner.container_id for each in self.leases]


def owner(container: str) -> IpamOwner:
    return IpamOwner(container_id=container, ifname="eth1", pod=PodRef(namespace=WEB[0], name=WEB[1], uid="", node=""))


def lease(container: str) -> IpamLease:
    return IpamLease(owner=owner(container), addresses=(LeaseAddress(address="10.0.0.2/24", pool="blue"),))


class Node:
    """One node's view: its table of Pods, the API server's word, the runtime's word."""

    def __init__(self, folder: Path, pools: Pools, *, manifests: bool = False) -> None:
        self.pools = pools
        self.sandboxes: dict[tuple[str, str], str | None] = {}
        self.pod_here: bool | None = None
        self.ended: set[str] = set()
        self.found: set[AttachmentId] = set()
        self.now = 0.0
        self.served = None if manifests else SandboxLedger(folder)
        self.lease_gc = LeaseGarbageCollector(
            plugins=pools,  # type: ignore[arg-type]
            journal=Journal(folder / "journal"),
            has_found=lambda key: key in self.found,
            sandboxes=lambda: self.sandboxes,
            pod_here=lambda namespace, name: self.pod_here,
            has_ended=lambda container: container in self.ended,
            served=self.served,
            grace=GRACE,
            clock=lambda: self.now,
        )

    def collect(self, after: float = 0.0) -> list[str]:
        """Whose leases are left."""
        self.now += after
        assert self.lease_gc.collect(["antrea"], Call())
        return self.pools.containers


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node, and a lease of the container c1."""
    return Node(tmp_path, Pools("c1"))


def test_a_container_of_this_node_goes_when_the_runtime_says_so_and_not_before(node: Node) -> None:
    assert node.served is not None
    node.served.add("c1")
    node.pod_here = None  # the object is gone: no one asks it
    assert node.collect() == node.collect(after=10 * GRACE) == ["c1"]
    node.ended.add("c1")
    assert node.collect() == []


def test_that_it_was_this_nodes_outlives_the_agent(tmp_path: Path) -> None:
    served = Node(tmp_path, Pools("c1")).served
    assert served is not None
    served.add("c1")
    again = Node(tmp_path, Pools("c1"))
    again.ended.add("c1")
    assert again.collect() == []


def test_a_stale_table_takes_nothing_from_a_pod_that_is_elsewhere_now(node: Node) -> None:
    node.sandboxes[WEB] = "c0"
    node.pod_here = False
    assert node.collect() == node.collect(after=2 * GRACE) == ["c1"]


def test_an_earlier_sandbox_that_may_run_on_another_node_has_the_grace_period(node: Node) -> None:
    node.sandboxes[WEB] = "c2"
    node.pod_here = True
    node.ended.add("c1")  # the runtime here does not know it
    assert node.collect() == node.collect(after=GRACE - 1) == ["c1"]
    assert node.collect(after=1) == []


def test_one_that_the_runtime_knows_to_live_stays_though_it_is_not_remembered(node: Node) -> None:
    node.sandboxes[WEB] = "c2"
    node.pod_here = True
    assert node.collect() == node.collect(after=2 * GRACE) == ["c1"]


def test_a_pod_that_is_gone_has_the_grace_period_again_after_it_was_seen(node: Node) -> None:
    node.ended.add("c1")
    assert node.collect() == ["c1"]
    node.pod_here = False
    assert node.collect(after=GRACE) == ["c1"]
    node.pod_here = None
    assert node.collect() == node.collect(after=GRACE - 1) == ["c1"]
    assert node.collect(after=1) == []


def test_what_still_stands_here_keeps_its_address(node: Node) -> None:
    node.found.add(AttachmentId(container_id="c1", ifname="eth1"))
    node.ended.add("c1")
    assert node.collect() == node.collect(after=2 * GRACE) == ["c1"]


def test_with_manifests_another_sandbox_of_the_pod_is_proof(tmp_path: Path) -> None:
    node = Node(tmp_path, Pools("c1"), manifests=True)
    node.sandboxes[WEB] = None
    assert node.collect() == node.collect(after=2 * GRACE) == ["c1"]
    node.sandboxes[WEB] = "c2"
    assert node.collect() == []


def test_a_backend_that_is_away_is_reported(node: Node) -> None:
    node.pools.away = True
    assert not node.lease_gc.collect(["antrea"], Call())


def test_an_allocation_has_the_way_cleared_of_this_nodes_ended_sandboxes(node: Node) -> None:
    node.pools.leases = [lease(container) for container in ("c0", "c1", "c2", "elsewhere")]
    assert node.served is not None
    for container in ("c0", "c1", "c2"):
        node.served.add(container)
    node.ended |= {"c0", "c2", "elsewhere"}
    node.sandboxes[WEB] = None
    node.pod_here = True
    assert node.lease_gc.reclaim(request("c2"), "antrea", Call()) == (True, GRACE)
    assert node.pools.containers == ["c1", "c2", "elsewhere"]
    node.now += GRACE
    assert node.lease_gc.reclaim(request("c2"), "antrea", Call()) == (True, None)
    assert node.pools.containers == ["c1", "c2"]


def request(container: str) -> IpamRequest:
    return IpamRequest(owner=owner(container), network=NetworkRef(namespace="default", name="blue"), config={})


def test_only_containers_that_something_names_are_remembered(node: Node, tmp_path: Path) -> None:
    assert node.served is not None
    node.served.add("c1")
    node.served.add("c9")
    node.collect()
    assert (tmp_path / "sandboxes").read_text() == "c1\n"
    assert "c9" not in node.served
    assert "c1" in SandboxLedger(tmp_path)


def test_a_memory_that_cannot_be_read_or_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "sandboxes").mkdir()
    served = SandboxLedger(tmp_path)
    served.add("c1")
    assert "c1" in served
    served.keep_only(list)
    assert "c1" in served
