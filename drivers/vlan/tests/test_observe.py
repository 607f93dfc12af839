"""How the driver sees its bridges and uplinks, on a real Open vSwitch."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Call, Cancelled, ComponentState, NodeObservation
from secnet_testing.netns import run_in

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

WITH_UPLINK = {"bridgeName": "br-secondary", "physicalInterfaces": ["up0"]}


def states(observation: NodeObservation) -> dict[str, tuple[ComponentState, str]]:
    return {f"{item.kind} {item.name}": (item.state, item.message) for item in observation.components}


def wire(lab: Lab) -> None:
    run_in(lab.node, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"])
    run_in(lab.node, ["ip", "link", "set", "far0", "up"])


def test_what_is_configured_is_seen_before_and_after_it_is_made(lab: Lab) -> None:
    driver = lab.driver(WITH_UPLINK)
    assert states(driver.observe_node(lab.call())) == {
        "bridge br-secondary": (ComponentState.DOWN, "Open vSwitch has no such bridge"),
        "uplink up0": (ComponentState.DOWN, "the node has no such interface"),
    }
    wire(lab)
    assert driver.reconcile_node(driver.host.config, lab.call()).ready
    seen = driver.observe_node(lab.call())
    assert states(seen) == {"bridge br-secondary": (ComponentState.UP, ""), "uplink up0": (ComponentState.UP, "")}
    assert dict(seen.components[0].facts) == {"uplinks": ("up0",), "datapathType": "netdev", "ours": True}
    assert seen.components[1].facts["mtu"] == 1500
    assert driver.observe_node(lab.call()) == seen, "nothing changed"


def test_an_uplink_without_cable_or_port_is_down(lab: Lab) -> None:
    wire(lab)
    driver = lab.ready_driver(WITH_UPLINK)
    run_in(lab.node, ["ip", "link", "set", "far0", "down"])
    assert states(driver.observe_node(lab.call()))["uplink up0"] == (ComponentState.DOWN, "it has no carrier")
    lab.switch.vsctl("del-port", "br-secondary", "up0")
    seen = states(driver.observe_node(lab.call()))["uplink up0"]
    assert seen == (ComponentState.DOWN, "it is no port of br-secondary")


def test_a_node_without_a_section_has_no_components(lab: Lab) -> None:
    driver = lab.driver()
    driver = type(driver)(type(driver.host)(node_name="node1", run_dir=lab.folder, ovsdb=lab.switch.target))
    try:
        assert driver.observe_node(lab.call()).components == ()
        driver.watch_node(lambda: None, lab.call())
    finally:
        driver.close()


def test_a_pulled_cable_is_an_event(lab: Lab) -> None:
    wire(lab)
    driver = lab.ready_driver(WITH_UPLINK)
    events: queue.Queue[None] = queue.Queue()
    cancel = threading.Event()

    def watch() -> None:
        with suppress(Cancelled):
            driver.watch_node(lambda: events.put(None), Call(cancel=cancel))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        events.get(timeout=10)  # it listens
        while not events.empty():
            events.get()
        run_in(lab.node, ["ip", "link", "set", "far0", "down"])
        events.get(timeout=10)
    finally:
        cancel.set()
        thread.join(10)
    assert not thread.is_alive()
