"""Two nodes with one state directory: a Pod moves while the agent of its first node is away, and its interface lives on there."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.state.agent_ledgers import read_ledgers
from secnet_testing.netns import Namespace
from secnet_testing.node import Node, play_node
from secnet_testing.node_inspection import addresses
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.nodes

WORKERS = {"count": 4, "attachTimeout": 20, "checkInterval": 1, "drainSeconds": 5}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two nodes, each with an agent, and the objects that both see."""

    one: Node
    two: Node

    def place(self, name: str, node: Node, *, namespace: str = "", **network: Any) -> Namespace:
        """Create the Pod on a node, in a namespace there (of the Pod's name, if none is given), or edit it to be there."""
        where = node.pod(namespace or name)
        asked = [{"name": "net", **network}]
        spec = {"spec": {"nodeName": "node-1" if node is self.one else "node-2"}}
        self.two.store.apply(pod(name, where.path, asked) | spec)
        return where

    def used(self) -> dict[str, int]:
        """How many addresses each Pod name has in the pool."""
        entries = self.two.store.get("IPPool", "v4")["status"]["ipAddresses"]
        names = [entry["owner"]["pod"]["name"] for entry in entries]
        return {name: names.count(name) for name in names}

    def collected(self, node: Node) -> None:
        """Wait until the agent of a node has looked through all leases again and again: it touches its ledger each time."""
        name = "node-1" if node is self.one else "node-2"

        def seen() -> float:
            return next(ledger.seen for ledger in read_ledgers(node.state_dir) if ledger.node == name)

        for _ in range(8):  # twice in each look, as there are two IPAM types
            before = seen()
            node.wait_until(lambda before=before: seen() > before, "the leases are looked through")  # type: ignore[misc]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with play_node(tmp_path / "one") as one, play_node(tmp_path / "two") as two:
        for number, node in enumerate((one, two), 1):
            node.state_dir = tmp_path / "state"
            node.configure(nodeName=f"node-{number}", stateDir=str(node.state_dir), manifests=None, workers=WORKERS)
            node.agent()
        made = Pair(one=one, two=two)
        one.store.apply(pool("v4", "10.1.0.10-10.1.0.19", gateway="10.1.0.1", prefix=24))
        one.store.apply(nad("net", vlan=11, pools=["v4"]))
        yield made


def terminate(node: Node) -> Callable[[], object]:
    """As an upgrade begins. Returns what brings the agent back."""
    node.stop()
    return node.agent


def freeze(node: Node) -> Callable[[], object]:
    """As a node that swaps. Not while it holds the lock of the state directory, for which all others would wait."""
    pid = node.agents[-1].pid
    with (node.state_dir / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("again", [True, False], ids=["made again", "edited"])
@pytest.mark.parametrize("away", [terminate, freeze])
def test_the_address_of_a_living_interface_is_no_other_pods(
    pair: Pair, away: Callable[[Node], Callable[[], object]], again: bool
) -> None:
    first = pair.place("web", pair.one)
    pair.one.wait_attached("web")
    (its_address,) = addresses(first, "eth1")
    come_back = away(pair.one)
    if again:
        pair.two.store.delete("Pod", "web", "default")
    second = pair.place("web", pair.two)
    pair.two.wait_attached("web")
    pair.collected(pair.two)
    third = pair.place("db", pair.two)
    pair.two.wait_attached("db")
    assert addresses(first, "eth1") == [its_address], "the interface lives"
    assert len({its_address, *addresses(second, "eth1"), *addresses(third, "eth1")}) == 3
    assert pair.used() == {"web": 2, "db": 1}
    come_back()
    pair.one.wait_until(lambda: pair.used() == {"web": 1, "db": 1}, "its agent gives the address back")
    pair.one.wait_until(lambda: pair.one.records() == (), "nothing is recorded there any more")
    assert addresses(second, "eth1")


def test_a_fixed_address_of_a_node_that_is_gone_comes_back_by_the_word_of_an_operator(pair: Pair) -> None:
    fixed = {"ips": ["10.1.0.15"]}
    pair.place("web", pair.one, **fixed)
    pair.one.wait_attached("web")
    pair.one.stop()
    second = pair.place("web", pair.two, **fixed)

    def says(text: str) -> bool:
        return text in pair.two.cli("status").stdout

    pair.two.wait_until(lambda: says("secnet node forget node-1"), "status says what to do")
    pair.one.delete_pod_namespace("web")
    done = pair.two.cli("node", "forget", "node-1")
    assert done.returncode == 1
    assert "was there" in done.stderr, "a while ago only: it may be stopped for a moment"
    assert pair.used() == {"web": 1}
    done = pair.two.cli("node", "forget", "node-1", "--force")
    assert done.returncode == 0, done.stderr
    assert "released: 10.1.0.15/24 of Pod default/web interface eth1" in done.stdout
    pair.two.wait_attached("web")
    assert addresses(second, "eth1") == ["10.1.0.15/24"]


def test_a_lost_journal_whose_pod_names_another_namespace_meanwhile(pair: Pair) -> None:
    """The interface in the first namespace lives as long as that does, and so its address is in use."""
    first = pair.place("web", pair.one)
    pair.one.wait_attached("web")
    (its_address,) = addresses(first, "eth1")
    pair.one.stop()
    shutil.rmtree(pair.one.run_dir)
    second = pair.place("web", pair.one, namespace="another")
    pair.one.agent()
    pair.one.wait_attached("web")
    pair.collected(pair.one)
    pair.collected(pair.two)
    third = pair.place("db", pair.two)
    pair.two.wait_attached("db")
    assert addresses(first, "eth1") == [its_address]
    assert len({its_address, *addresses(second, "eth1"), *addresses(third, "eth1")}) == 3
    pair.one.delete_pod_namespace("web")
    pair.one.wait_until(lambda: pair.used() == {"web": 1, "db": 1}, "the address of the namespace that is gone is free")
