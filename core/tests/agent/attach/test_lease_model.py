"""Histories of a cluster, played with the real rule: no address has two interfaces, and what is gone is released in the end.

The first examples are histories that once gave an address of a living Pod to another one.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from secnet.agent.attach.lease_evidence import GRACE_SECONDS

from .lease_world import NODES, PODS, World

Event = tuple[Any, ...]
History = list[Event]

_pods, _nodes = st.sampled_from(PODS), st.sampled_from(NODES)

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.sampled_from(("place", "place", "edit_node", "end")), _pods, _nodes),
    st.tuples(st.sampled_from((*World.EVENTS_OF_PODS, "blink")), _pods),
    st.tuples(st.sampled_from(World.EVENTS_OF_NODES), _nodes),
    st.tuples(st.just("wait"), st.sampled_from((2.0, GRACE_SECONDS - 1, GRACE_SECONDS + 1))),
)
HISTORIES = st.lists(EVENTS, min_size=4, max_size=30)
EXAMPLES = 800  # two or three seconds; each is quick, and few reach where events meet


def moved_while(away: str) -> History:
    """The Pod of an agent that is away is created on another node, and another Pod after it."""
    first = [("place", "web", "node-1"), (away, "node-1"), ("place", "web", "node-2")]
    return [*first, ("wait", 2.0), ("place", "db", "node-2"), ("wait", 2 * GRACE_SECONDS)]


LOST_JOURNAL: History = [
    ("place", "web", "node-1"),
    ("lose_journal", "node-1"),
    ("move_namespace", "web"),
    ("fail_inventory", "node-1"),
    ("start", "node-1"),
    ("place", "db", "node-2"),
    ("wait", 2 * GRACE_SECONDS),
    ("place", "db", "node-1"),
]
"""The journal of a living Pod is lost, and its annotation names another namespace meanwhile."""

NO_LONGER_ASKED: History = [
    ("place", "web", "node-1"),
    ("lose_journal", "node-1"),
    ("stop_asking", "web"),
    ("fail_inventory", "node-1"),
    ("start", "node-1"),
    ("wait", 2 * GRACE_SECONDS),
    ("place", "db", "node-1"),
]
"""The same, and the annotation asks for nothing."""

DELETED_AND_AWAY: History = [
    ("place", "web", "node-1"),
    ("stop", "node-1"),
    ("delete", "web"),
    ("wait", 2 * GRACE_SECONDS),
    ("place", "db", "node-2"),
]

ONE_UID: History = [
    ("place", "web", "node-1"),
    ("freeze", "node-1"),
    ("edit_node", "web", "node-2"),
    ("wait", 2 * GRACE_SECONDS),
    ("delete", "web"),
    ("place", "db", "node-2"),
]

FORGOTTEN_AND_BACK: History = [
    ("place", "web", "node-1"),
    ("stop", "node-1"),
    ("place", "web", "node-2"),
    ("forget", "node-1"),
    ("place", "db", "node-2"),
    ("start", "node-1"),
    ("place", "web", "node-1"),
]

TWO_BLINKS: History = [
    ("place", "web", "node-1"),
    ("stop", "node-1"),
    ("blink", "web"),
    ("wait", 2.0),
    ("blink", "web"),
    ("place", "db", "node-2"),
]


def play(world: World, history: History) -> None:
    """Let it happen, and look after each event."""
    for number, (event, *arguments) in enumerate(history):
        getattr(world, event)(*arguments)
        world.act()
        no_address_is_doubled(world, history[: number + 1])


def no_address_is_doubled(world: World, history: History) -> None:
    used = [address for node in world.nodes.values() for address in node.interfaces.values()]
    assert len(used) == len(set(used)), f"doubled after {history}"


def settle(world: World) -> set[str]:
    """All agents are there and all works, what no Pod names any more ends, and time passes. Returns what is then wanted."""
    wanted = {(pod.node, pod.container) for pod in world.pods.values()}
    for node in world.nodes.values():
        world.thaw(node.name)
        world.start(node.name)
        world.restore_inventory(node.name)
        for container in [each for each in node.namespaces if (node.name, each) not in wanted]:
            node.namespaces.pop(container)
            node.interfaces.pop(container, None)
    for seconds in (0.0, 1.0, GRACE_SECONDS + 1, GRACE_SECONDS + 1):
        world.wait(seconds)
        world.act()
    return {
        pod.container for pod in world.pods.values() if pod.asks and pod.container in world.nodes[pod.node].namespaces
    }


@pytest.mark.parametrize("api", [False, True], ids=["manifests", "api"])
@settings(max_examples=EXAMPLES)
@given(history=HISTORIES)
@example(history=moved_while("stop"))
@example(history=moved_while("freeze"))
@example(history=LOST_JOURNAL)
@example(history=NO_LONGER_ASKED)
@example(history=DELETED_AND_AWAY)
@example(history=ONE_UID)
@example(history=FORGOTTEN_AND_BACK)
@example(history=TWO_BLINKS)
def test_no_address_is_doubled_and_what_is_gone_comes_back(api: bool, history: History) -> None:
    world = World(api=api)
    play(world, history)
    wanted = settle(world)
    no_address_is_doubled(world, [*history, ("settle",)])
    living = {container for node in world.nodes.values() for container in node.interfaces}
    assert wanted <= living, "every Pod has its interface in the end"
    assert set(world.leases) == living, "what is gone is released, and no more"
    assert set().union(*world.ledgers.values()) <= living, "ledgers forget what is gone"


def test_the_address_of_a_pod_that_moved_stays_that_of_the_first_until_its_agent_gives_it_back() -> None:
    world = World(api=False)
    play(world, moved_while("stop"))
    first = next(iter(world.nodes["node-1"].interfaces))
    assert world.leases[first] == ("web", 0)
    assert len(world.leases) == 3
    world.start("node-1")
    world.act()
    assert first not in world.leases
