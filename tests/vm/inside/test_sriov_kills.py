"""The agent killed after steps that change a virtual function: the next one ends where it would have.

The driver alone is killed around each of its steps in test_kit_vf.py, test_kit_sf.py and test_kit_any.py. Here it is the agent,
with its journal, and a MAC from the annotation; the pools have no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.steps import StepPoint
from secnet_testing.killable_agent import kill_points, program, read_steps
from secnet_testing.node_inspection import link
from secnet_testing.vm.fixtures import Cards
from secnet_testing.vm.functions import device_nad, device_pod, state_of_vf
from secnet_testing.vm.guestnode import GuestNode

pytestmark = pytest.mark.vm_guest(seconds=900)

_DEATH_SECONDS = 90
_ATTACHING = ("device.hold", "link.mac", "vf.mac", "link.move")
_DETACHING = ("link.return", "link.unmark", "device.release")
POD = "web"
NETWORK = [{"name": "tagged", "mac": "02:5e:c0:00:00:19"}]


@pytest.fixture(scope="module")
def objects(one_node: GuestNode, cards: Cards) -> Iterator[GuestNode]:
    """A node with the network; no agent runs, and no Pod asks."""
    one_node.configure(manifests=None, ovsBridges=[])
    network = device_nad("tagged", "sriov-vf", vlan=100, trust="on")
    one_node.store.apply(network)
    yield one_node
    one_node.store.delete(network["kind"], "tagged", "default")


def _ask(node: GuestNode, cards: Cards) -> None:
    node.store.apply(device_pod(node, POD, NETWORK, cards.one.vf(0)))


def _attached_state(node: GuestNode, cards: Cards) -> dict[str, Any]:
    inside = link(node.pod(POD), "eth1")
    return {"card": cards.one.vf_info(0), "mac": inside["address"], "mtu": inside["mtu"], "state": inside["operstate"]}


def _kill(node: GuestNode, point: StepPoint, marker: Path) -> None:
    """An agent that is killed at the point."""
    process = node.agent(program=program("kill", point, marker), ready=False)
    try:
        assert process.wait_end(_DEATH_SECONDS) == -9, f"{point}: {process.tail()}"
    finally:
        process.kill()
    assert marker.read_text() == str(point)


def _after(file: Path, names: Sequence[str]) -> list[StepPoint]:
    """After the first of each of these steps, all of which a clean run has."""
    points = [point for point in kill_points(read_steps(file)) if (point.number, point.moment) == (1, "after")]
    found = [point for point in points if point.name in names]
    assert len(found) == len(names), [str(point) for point in points]
    return found


def test_killed_while_attaching(objects: GuestNode, cards: Cards, tmp_path: Path) -> None:
    node = objects
    found = state_of_vf(cards.one, 0)
    _ask(node, cards)
    node.agent(program=program("record", tmp_path / "steps"))
    node.wait_attached(POD)
    wanted = _attached_state(node, cards)
    points = _after(tmp_path / "steps", _ATTACHING)
    _delete(node)
    assert state_of_vf(cards.one, 0) == found
    for number, point in enumerate(points):
        _ask(node, cards)
        _kill(node, point, tmp_path / f"killed-{number}")
        node.agent()
        node.wait_attached(POD)
        assert _attached_state(node, cards) == wanted, point
        _delete(node)
        assert state_of_vf(cards.one, 0) == found, point


def test_killed_while_detaching(objects: GuestNode, cards: Cards, tmp_path: Path) -> None:
    node = objects
    found = state_of_vf(cards.one, 0)
    _attach_and_stop(node, cards)
    node.store.delete("Pod", POD, "default")
    node.agent(program=program("record", tmp_path / "steps"))
    node.wait_detached(POD)
    node.stop()
    points = _after(tmp_path / "steps", _DETACHING)
    for number, point in enumerate(points):
        _attach_and_stop(node, cards)
        node.store.delete("Pod", POD, "default")
        _kill(node, point, tmp_path / f"killed-{number}")
        node.agent()
        node.wait_detached(POD)
        node.stop()
        assert state_of_vf(cards.one, 0) == found, point


def _attach_and_stop(node: GuestNode, cards: Cards) -> None:
    _ask(node, cards)
    node.agent()
    node.wait_attached(POD)
    node.stop()


def _delete(node: GuestNode) -> None:
    node.store.delete("Pod", POD, "default")
    node.wait_detached(POD)
    node.stop()
