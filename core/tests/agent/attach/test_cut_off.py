"""Which interfaces count as cut off by the state of the node, and for how long it has to last."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from secnet.agent.attach.cut_off import CutOffInterfaces
from secnet.contract import AttachmentId, ComponentState, NodeComponent, NodeObservation

A, B = AttachmentId(container_id="c1", ifname="eth1"), AttachmentId(container_id="c2", ifname="eth1")


class World:
    """Cut-off interfaces with a clock that the test moves. changes: what was called for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.changes: list[set[AttachmentId]] = []
        self.cut_off = CutOffInterfaces(self._changed, lambda: self.now)

    def _changed(self, keys: Collection[AttachmentId]) -> None:
        self.changes.append(set(keys))

    def see(self, *stranded: AttachmentId, message: str = "it has no carrier", network_type: str = "vlan") -> bool:
        state = ComponentState.DOWN if stranded else ComponentState.UP
        uplink = NodeComponent(kind="uplink", name="up0", state=state, message=message, stranded=stranded)
        return self.cut_off.note(network_type, NodeObservation(components=(uplink,)))


@pytest.fixture
def world() -> World:
    return World()


def test_a_moment_is_no_news_and_asks_for_another_look(world: World) -> None:
    assert world.see(A)
    world.now = 4.9
    assert world.see(A)
    assert world.cut_off.error_of(A) is None
    assert not world.see()
    world.now = 6.0
    assert world.see(A), "the time counts from the last time that it went down"
    assert (world.cut_off.error_of(A), world.changes) == (None, [])


def test_what_lasts_is_the_error_of_each_interface_until_it_ends(world: World) -> None:
    world.see(A)
    world.now = 5.0
    assert not world.see(A, B)
    found = world.cut_off.error_of(A)
    assert found is not None
    assert (found.reason, found.message) == ("Degraded", "cut off: uplink up0 is down: it has no carrier")
    assert world.cut_off.error_of(B) == found
    assert world.changes == [{A, B}]
    world.see(A, B)
    assert world.changes == [{A, B}], "nothing changed"
    world.see(A)
    assert world.changes[1:] == [{B}]
    world.see()
    assert (world.cut_off.error_of(A), world.changes[2:]) == (None, [{A}])


def test_another_reason_is_a_change(world: World) -> None:
    world.see(A)
    world.now = 5.0
    world.see(A)
    world.see(A, message="it is down")
    assert world.changes == [{A}, {A}]


def test_types_of_networks_keep_apart(world: World) -> None:
    for moment in (0.0, 5.0):
        world.now = moment
        world.see(A)
        world.see(B, network_type="sriov")
    world.see()
    assert world.cut_off.error_of(A) is None
    assert world.cut_off.error_of(B) is not None
