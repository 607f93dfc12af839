"""An agent that is away, or stopped: ordinary Pods do not notice, Pods with networks wait, and no address is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from secnet_testing.agent_process import AgentProcess
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime

ORDINARY = [f"ordinary-{number}" for number in range(6)]
NETWORKED = [f"networked-{number}" for number in range(4)]


def started(factory: ClusterNodeFactory) -> ClusterNode:
    """A node with a running agent whose plugin is in the chain, and the network and pool `blue`."""
    node = factory(sync=True)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    node.wait_chained()
    return node


def create(node: ClusterNode, names: list[str], networks: str | None) -> None:
    for name in names:
        node.api.create(pod(name, networks))


def wait_running(node: ClusterNode, names: list[str]) -> None:
    for name in names:
        node.wait(lambda name=name: node.is_running(name), f"Pod {name} runs")  # type: ignore[misc]


def remove(node: ClusterNode, names: list[str]) -> None:
    for name in names:
        node.delete(name)
    node.wait_gone(*names)


def assert_nothing_is_left(node: ClusterNode) -> None:
    assert node.node.records() == ()
    assert node.ports() == []
    assert node.used("blue") == 0
    assert node.runtime.primary_addresses() == frozenset()


def killed(agent: AgentProcess, node: ClusterNode) -> None:
    agent.kill()


def stopped(agent: AgentProcess, node: ClusterNode) -> None:
    os.kill(agent.pid, signal.SIGSTOP)


def started_again(agent: AgentProcess, node: ClusterNode) -> None:
    node.node.agent()


def continued(agent: AgentProcess, node: ClusterNode) -> None:
    os.kill(agent.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("leave", "come_back"), [(killed, started_again), (stopped, continued)], ids=["killed", "stopped"]
)
def test_pods_start_while_the_agent_is_away(
    cluster_node_factory: ClusterNodeFactory, leave: Callable[..., None], come_back: Callable[..., None]
) -> None:
    node = started(cluster_node_factory)
    agent = node.node.agents[-1]
    leave(agent, node)
    create(node, NETWORKED, "blue")
    system = pod("proxy", "default/blue")
    system["metadata"]["namespace"] = "kube-system"
    node.api.create(system)
    create(node, ORDINARY, None)
    wait_running(node, ORDINARY)
    node.wait(lambda: node.api.get(system).get("status", {}).get("phase") == "Running", "kube-system does not wait")
    assert [name for name in NETWORKED if node.is_running(name)] == []
    remove(node, ORDINARY[:2])
    come_back(agent, node)
    node.wait_attached(*NETWORKED)
    node.wait(lambda: len(node.ports()) == len(NETWORKED) + 1, "what did not wait is attached as it is seen")
    node.api.delete(system, grace=1)
    left = len(ORDINARY) - 2 + len(NETWORKED)
    node.wait(lambda: len(node.runtime.primary_addresses()) == left, "each living Pod has one primary address")
    for name in [*ORDINARY[2:], *NETWORKED]:
        assert node.kubelet.failures("default", name) == (), name
    assert len({node.address(name) for name in NETWORKED}) == node.used("blue") == len(NETWORKED)
    remove(node, [*ORDINARY[2:], *NETWORKED])
    assert_nothing_is_left(node)


def test_a_pod_that_was_let_through_is_attached_when_it_is_annotated(cluster_node_factory: ClusterNodeFactory) -> None:
    node = started(cluster_node_factory)
    node.api.create(pod("a", None))
    node.wait(lambda: node.is_running("a"), "the Pod runs")
    node.annotate("a", "blue")
    node.wait_attached("a")
    node.node.agents[-1].kill()
    node.api.create(pod("b", None))
    node.wait(lambda: node.is_running("b"), "the Pod runs without an agent")
    node.annotate("b", "blue")
    node.node.agent()
    node.wait_attached("a", "b")
    assert node.pings("a", node.address("b"))
    remove(node, ["a", "b"])
    assert_nothing_is_left(node)


def test_a_lost_program_is_put_back(cluster_node_factory: ClusterNodeFactory) -> None:
    """A node image may come without it. Then each attempt to start a Pod may cost an address of the primary network: the runtime
    finds no program for DEL either, and gives up before it calls the primary plugin."""
    node = started(cluster_node_factory)
    node.node.agents[-1].kill()
    for name in ("secnet-cni", "secnet", "secnet-cni.sock"):
        (node.runtime.cni_bin / name).unlink()
    create(node, ["a", "b"], None)
    for name in ("a", "b"):
        node.wait(lambda name=name: node.kubelet.failures("default", name), f"Pod {name} fails")  # type: ignore[misc]
    assert node.runtime.primary_addresses() != frozenset()
    node.node.agent()
    wait_running(node, ["a", "b"])
    lost = node.runtime.primary_addresses() - addresses(node)  # by the runtimes that forget what they could not end
    create(node, ["c"], "blue")
    node.wait_attached("c")
    (node.runtime.cni_bin / "secnet-cni").unlink()
    node.wait((node.runtime.cni_bin / "secnet-cni").exists, "it is put back")
    create(node, ["d"], None)
    wait_running(node, ["d"])
    assert node.runtime.primary_addresses() - addresses(node) == lost
    assert node.kubelet.failures("default", "d") == ()
    remove(node, ["a", "b", "c", "d"])
    assert node.runtime.primary_addresses() == lost


def addresses(node: ClusterNode) -> frozenset[Any]:
    """Those that living sandboxes have."""
    return frozenset(address for each in node.runtime.sandboxes() for address in node.runtime.state(each).addresses)
