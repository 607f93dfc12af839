"""How the driver sees its bridges and uplinks, on a real Open vSwitch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Call, Cancelled, ComponentState, NodeComponent, NodeObservation, NotReady, Unavailable
from secnet_testing.netns import run_in

if TYPE_CHECKING:
    from secnet_vlan import VlanDriver

    from .conftest import Lab

pytestmark = pytest.mark.ovs

DAEMONS = {f"switch {name}": (ComponentState.UP, "") for name in ("ovs-vswitchd", "ovsdb-server")}
WITH_UPLINK = {"bridgeName": "br-secondary", "physicalInterfaces": ["up0"]}


def states(observation: NodeObservation) -> dict[str, tuple[ComponentState, str]]:
    return {f"{item.kind} {item.name}": (item.state, item.message) for item in observation.components}


def wire(lab: Lab) -> None:
    run_in(lab.node, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0"])
    run_in(lab.node, ["ip", "link", "set", "far0", "up"])


@contextmanager
def watched(driver: VlanDriver) -> Iterator[queue.Queue[None]]:
    """The driver's events from now on, while it listens."""
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
        yield events
    finally:
        cancel.set()
        thread.join(10)
    assert not thread.is_alive()


def test_what_is_configured_is_seen_before_and_after_it_is_made(lab: Lab) -> None:
    driver = lab.driver(WITH_UPLINK)
    assert states(driver.observe_node(lab.call())) == {
        **DAEMONS,
        "bridge br-secondary": (ComponentState.DOWN, "Open vSwitch has no such bridge"),
        "uplink up0": (ComponentState.DOWN, "the node has no such interface"),
    }
    wire(lab)
    assert driver.reconcile_node(driver.host.config, lab.call()).ready
    seen = driver.observe_node(lab.call())
    made = {"bridge br-secondary": (ComponentState.UP, ""), "uplink up0": (ComponentState.UP, "")}
    assert states(seen) == {**DAEMONS, **made}
    assert dict(seen.components[2].facts) == {"uplinks": ("up0",), "datapathType": "netdev", "ours": True}
    assert (seen.components[3].facts["mtu"], seen.components[3].facts["speed"]) == (1500, 10_000)
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
    with watched(driver) as events:
        run_in(lab.node, ["ip", "link", "set", "far0", "down"])
        events.get(timeout=10)


def of(observation: NodeObservation, name: str) -> NodeComponent:
    (found,) = (each for each in observation.components if each.name == name)
    return found


def test_a_dead_switch_is_down_and_cuts_off_who_is_on_it(lab: Lab) -> None:
    """The rows of the database say the same as before."""
    wire(lab)
    driver = lab.ready_driver(WITH_UPLINK)
    attachment = lab.attach(driver, lab.new_netns(), 100)
    call = lab.call().about((attachment,))
    assert of(driver.observe_node(call), "ovs-vswitchd").stranded == ()
    lab.switch.kill_switch()
    seen = of(driver.observe_node(call), "ovs-vswitchd")
    assert (seen.state, seen.stranded) == (ComponentState.DOWN, (attachment.key,))
    assert "it does not answer" in seen.message
    with pytest.raises(Unavailable, match="ovs-vswitchd: it does not answer"):
        driver.reconcile_node(driver.host.config, lab.call())
    lab.switch.start_switch()
    assert of(driver.observe_node(call), "ovs-vswitchd").state is ComponentState.UP


def test_without_the_database_the_switch_is_still_seen(lab: Lab) -> None:
    driver = lab.ready_driver()
    lab.switch.stop_server()
    seen = states(driver.observe_node(lab.call()))
    assert seen["switch ovs-vswitchd"] == (ComponentState.UP, "")
    assert seen["switch ovsdb-server"][0] is ComponentState.DOWN
    lab.switch.start_server()


def test_the_last_uplink_that_is_down_cuts_its_bridge_off_and_no_other(lab: Lab) -> None:
    wire(lab)
    run_in(lab.node, ["ip", "link", "add", "up1", "type", "veth", "peer", "name", "far1"])
    run_in(lab.node, ["ip", "link", "set", "far1", "up"])
    two = {"bridgeName": "br-secondary", "physicalInterfaces": ["up0", "up1"]}
    driver = lab.ready_driver(two, {"bridgeName": "br-other"})
    on_it = lab.attach(driver, lab.new_netns(), 100)
    other = lab.attach(driver, lab.new_netns(), 100, options={"bridge": "br-other"})
    call = lab.call().about((on_it, other))
    run_in(lab.node, ["ip", "link", "set", "far0", "down"])
    seen = driver.observe_node(call)
    assert (of(seen, "up0").state, of(seen, "up0").stranded) == (ComponentState.DOWN, ())
    run_in(lab.node, ["ip", "link", "set", "far1", "down"])
    seen = driver.observe_node(call)
    assert (of(seen, "up0").stranded, of(seen, "up1").stranded) == ((on_it.key,), (on_it.key,))


def test_what_is_wrong_with_an_uplink_that_works_is_reported(lab: Lab) -> None:
    wire(lab)
    driver = lab.ready_driver(WITH_UPLINK)
    attachment = lab.attach(driver, lab.new_netns(), 100)
    run_in(lab.node, ["ip", "link", "set", "up0", "mtu", "1400"])
    run_in(lab.node, ["ip", "address", "add", "192.0.2.7/24", "dev", "up0"])
    seen = of(driver.observe_node(lab.call().about((attachment,))), "up0")
    assert (seen.state, seen.stranded) == (ComponentState.DEGRADED, ())
    assert "its MTU of 1400 is below that of interfaces on its bridge, which have up to 1500" in seen.message
    assert "it has the addresses 192.0.2.7/24" in seen.message


def test_a_vlan_that_no_uplink_carries_cuts_its_pods_off(lab: Lab) -> None:
    """An uplink port of ours gets its trunks cleared; one of another owner stays as it is."""
    wire(lab)
    lab.switch.vsctl("add-br", "br-secondary", "--", "set", "bridge", "br-secondary", "datapath_type=netdev")
    lab.switch.vsctl("add-port", "br-secondary", "up0", "trunks=100,200")
    run_in(lab.node, ["ip", "link", "set", "up0", "up"])
    driver = lab.ready_driver(WITH_UPLINK)
    carried, lost = lab.attach(driver, lab.new_netns(), 200), lab.attach(driver, lab.new_netns(), 300)
    seen = of(driver.observe_node(lab.call().about((carried, lost))), "up0")
    assert (seen.state, seen.stranded) == (ComponentState.DEGRADED, (lost.key,))
    assert seen.message == "its trunks (100, 200) do not carry VLAN 300"
    assert seen.facts["trunks"] == (100, 200)


def test_a_bridge_that_forwards_nothing_is_down(lab: Lab) -> None:
    lab.switch.vsctl("add-br", "br-secondary", "--", "set", "bridge", "br-secondary", "datapath_type=netdev")
    lab.switch.vsctl("set-fail-mode", "br-secondary", "secure")
    driver = lab.ready_driver()
    attachment = lab.attach(driver, lab.new_netns(), 100)
    call = lab.call().about((attachment,))
    seen = of(driver.observe_node(call), "br-secondary")
    assert (seen.state, seen.stranded) == (ComponentState.DOWN, (attachment.key,))
    assert seen.message == "it forwards nothing: its fail_mode is secure, and it has no OpenFlow flows"
    lab.switch.vsctl("set-fail-mode", "br-secondary", "standalone")
    assert of(driver.observe_node(call), "br-secondary").state is ComponentState.UP


def test_an_internal_port_is_no_uplink(lab: Lab) -> None:
    lab.switch.vsctl("add-br", "br-secondary", "--", "set", "bridge", "br-secondary", "datapath_type=netdev")
    lab.switch.vsctl("add-port", "br-secondary", "up0", "--", "set", "interface", "up0", "type=internal")
    run_in(lab.node, ["ip", "link", "set", "up0", "up"])
    driver = lab.driver(WITH_UPLINK)
    (finding,) = driver.reconcile_node(driver.host.config, lab.call()).findings
    assert "is an internal port of br-secondary" in finding.message
    seen = of(driver.observe_node(lab.call()), "up0")
    assert (seen.state, seen.message.split(",")[0]) == (ComponentState.DOWN, "it is an internal port of br-secondary")
    with pytest.raises(NotReady, match="none of its uplinks is in it"):
        driver.plan(lab.request(lab.new_netns()), lab.call())


@pytest.mark.parametrize("event", ["kill_switch", "another_owner"])
def test_what_the_kernel_does_not_report_is_an_event_too(lab: Lab, event: str) -> None:
    wire(lab)
    driver = lab.ready_driver(WITH_UPLINK)
    with watched(driver) as events:
        if event == "kill_switch":
            lab.switch.kill_switch()
        else:
            lab.switch.vsctl("set", "port", "up0", "trunks=7")
        events.get(timeout=10)
