"""Uplinks that the configuration moves while Pods are on their bridge, on a real Open vSwitch with a wire at each uplink."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import Attachment, ComponentState, NodeReport, NotReady
from secnet_conformance.snapshot import diff
from secnet_conformance.steps import At, Fault, Recorder, fail, points_around
from secnet_testing.netns import Namespace, ping, run_in
from secnet_testing.traffic import Traffic, traffic
from secnet_vlan import VlanDriver

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

FAR, FAR_MAC = "10.77.0.200", "02:00:00:00:77:fe"


def bridge(name: str, *uplinks: str) -> dict[str, Any]:
    return {"bridgeName": name, "physicalInterfaces": list(uplinks)}


def wire(lab: Lab, name: str) -> Namespace:
    """An interface to be an uplink, whose far end is a host elsewhere."""
    far = lab.new_netns()
    peer = ["peer", "name", "far0", "address", FAR_MAC, "netns", far.name]
    run_in(lab.node, ["ip", "link", "add", name, "type", "veth", *peer])
    run_in(lab.node, ["ip", "link", "set", name, "up", "addrgenmode", "none"])
    run_in(far, ["ip", "addr", "add", f"{FAR}/24", "dev", "far0"])
    run_in(far, ["ip", "link", "set", "far0", "up"])
    return far


def restarted(
    lab: Lab, *bridges: dict[str, Any], attachments: tuple[Attachment, ...] = ()
) -> tuple[VlanDriver, NodeReport]:
    """A new agent's driver with this configuration, after one round."""
    driver = lab.driver(*bridges)
    return driver, driver.reconcile_node(driver.host.config, lab.call(attachments=attachments))


def codes(report: NodeReport) -> list[str]:
    assert report.ready, "a bridge that drains keeps no agent from being ready"
    return sorted(finding.code for finding in report.findings)


def uplinks(lab: Lab) -> dict[str, list[str]]:
    """What of up0, up1, ... each bridge has."""
    rows = lab.switch.rows()["Bridge"]
    return {name: [port for port in row["ports"] if port.startswith("up")] for name, row in rows.items()}


def refusal(lab: Lab, driver: VlanDriver, **options: Any) -> str:
    """Why a new Pod has to wait."""
    with pytest.raises(NotReady) as raised:
        driver.plan(lab.request(lab.new_netns(), options=options), lab.call())
    return str(raised.value)


@dataclasses.dataclass
class Tenant:
    """A Pod that talks to the far end of an uplink all the time."""

    driver: VlanDriver
    pod: Namespace
    attachment: Attachment
    traffic: Traffic

    def is_untouched(self, lab: Lab) -> None:
        assert self.driver.check(self.attachment, lab.call()).clean
        self.traffic.flows()
        assert self.traffic.lost == 0


@pytest.fixture
def tenant(lab: Lab) -> Iterator[Tenant]:
    """On br-old with the uplink up0."""
    wire(lab, "up0")
    driver = lab.ready_driver(bridge("br-old", "up0"))
    pod, _, attachment = lab.talker(driver, 0)
    assert ping(pod, FAR)
    with traffic(pod, FAR) as running:
        yield Tenant(driver, pod, attachment, running)


def test_a_renamed_bridge_keeps_its_uplink_until_its_last_pod_is_gone(lab: Lab, tenant: Tenant) -> None:
    driver, report = restarted(lab, bridge("br-new", "up0"))
    assert codes(report) == ["BridgeDraining", "UplinkDraining"]
    assert "up0 stays in OVS bridge br-old, which has 1 Pod; it moves to br-new" in f"{report.findings}"
    assert dict(report.details["uplinks"]) == {"br-new": ("up0",), "br-old": ("up0",)}
    assert uplinks(lab) == {"br-old": ["up0"], "br-new": []}
    assert "br-new: its uplink up0 is still in the OVS bridge br-old, which has 1 Pod;" in refusal(lab, driver)
    tenant.is_untouched(lab)
    before = lab.snapshot()
    again, repeated = restarted(lab, bridge("br-new", "up0"))
    assert repeated == report
    assert diff(before, lab.snapshot()) == []
    tenant.is_untouched(lab)
    tenant.driver.detach(tenant.attachment, lab.call())
    assert again.reconcile_node(again.host.config, lab.call()).settled
    assert uplinks(lab) == {"br-new": ["up0"]}
    assert ping(lab.talker(again, 0)[0], FAR)


def test_a_move_that_ends_anywhere_is_completed_by_the_next_round(lab: Lab) -> None:
    wire(lab, "up0")
    steps = Recorder()
    lab.ready_driver(bridge("br-one", "up0"))
    two = lab.driver(bridge("br-two", "up0"))
    assert two.reconcile_node(two.host.config, lab.call(observers=(steps,))).settled
    assert steps.names == ["uplink.remove", "bridge.delete", "bridge.ensure", "uplink.add"]
    names = ["br-two", "br-one"]
    for point in points_around(steps.names):
        old, new = names
        driver = lab.driver(bridge(new, "up0"))
        with suppress(Fault):
            driver.reconcile_node(driver.host.config, lab.call(observers=(At(point, fail),)))
        _, report = restarted(lab, bridge(new, "up0"))
        assert (report.settled, uplinks(lab)) == (True, {new: ["up0"]}), point
        names = [new, old]


def test_all_uplinks_stay_and_the_number_of_pods_is_named(lab: Lab) -> None:
    wire(lab, "up0")
    wire(lab, "up1")
    driver = lab.ready_driver(bridge("br-old", "up0", "up1"))
    attachments = [lab.attach(driver, lab.new_netns()) for _ in range(2)]
    second = lab.attach(driver, lab.new_netns())
    two_interfaces = dataclasses.replace(second.request, ifname="eth2")
    attachments += [second, driver.plan(two_interfaces, lab.call()).bind(None, 0)]
    driver.attach(attachments[-1], lab.call())
    renamed, report = restarted(lab, bridge("br-new", "up1"))
    assert codes(report) == ["BridgeDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0", "up1"], "br-new": []}
    assert "br-old, which has 3 Pods" in refusal(lab, renamed)
    for attachment in attachments:
        driver.detach(attachment, lab.call())
    assert renamed.reconcile_node(renamed.host.config, lab.call()).settled
    assert uplinks(lab) == {"br-new": ["up1"]}


def test_a_name_given_back_in_the_middle_changes_nothing_for_the_pods(lab: Lab, tenant: Tenant) -> None:
    restarted(lab, bridge("br-new", "up0"))
    driver, report = restarted(lab, bridge("br-old", "up0"))
    assert report.settled
    assert uplinks(lab) == {"br-old": ["up0"]}
    tenant.is_untouched(lab)
    assert ping(lab.talker(driver, 0)[0], FAR)


def test_a_new_bridge_gets_its_second_uplink_at_once_and_waits_for_the_first(lab: Lab, tenant: Tenant) -> None:
    wire(lab, "up1")
    driver, report = restarted(lab, bridge("br-new", "up0", "up1"))
    assert codes(report) == ["BridgeDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0"], "br-new": ["up1"]}
    assert "uplink up0 is still in the OVS bridge br-old" in refusal(lab, driver)
    tenant.is_untouched(lab)
    tenant.driver.detach(tenant.attachment, lab.call())
    assert driver.reconcile_node(driver.host.config, lab.call()).settled
    assert uplinks(lab) == {"br-new": ["up0", "up1"]}


def test_swapped_uplinks_change_when_both_bridges_are_empty(lab: Lab, tenant: Tenant) -> None:
    """Never are both in one bridge: that would join the two networks."""
    wire(lab, "up1")
    both = lab.ready_driver(bridge("br-old", "up0"), bridge("br-two", "up1"))
    other = lab.attach(both, lab.new_netns(), options={"bridge": "br-two"})
    driver, report = restarted(lab, bridge("br-old", "up1"), bridge("br-two", "up0"))
    assert codes(report) == ["UplinkDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0"], "br-two": ["up1"]}
    assert "uplink up1 is still in the OVS bridge br-two" in refusal(lab, driver)
    assert "uplink up0 is still in the OVS bridge br-old" in refusal(lab, driver, bridge="br-two")
    tenant.is_untouched(lab)
    driver.detach(other, lab.call())
    report = driver.reconcile_node(driver.host.config, lab.call())
    assert codes(report) == ["UplinkDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0"], "br-two": []}
    assert "br-old: it still has up0 for its 1 Pod, in place of its uplinks up1" in refusal(lab, driver)
    tenant.is_untouched(lab)
    tenant.driver.detach(tenant.attachment, lab.call())
    assert driver.reconcile_node(driver.host.config, lab.call()).settled
    assert uplinks(lab) == {"br-old": ["up1"], "br-two": ["up0"]}


def test_an_uplink_taken_from_a_bridge_stays_for_its_pods_and_new_ones_come(lab: Lab, tenant: Tenant) -> None:
    wire(lab, "up1")
    lab.ready_driver(bridge("br-old", "up0", "up1"))
    driver, report = restarted(lab, bridge("br-old", "up1"))
    assert codes(report) == ["UplinkDraining"]
    assert "up0 stays in OVS bridge br-old, which has 1 Pod; it is released" in report.findings[0].message
    lab.attach(driver, lab.new_netns())
    tenant.is_untouched(lab)


def test_one_of_several_uplinks_given_away_is_waited_for_by_the_other_bridge_alone(lab: Lab, tenant: Tenant) -> None:
    wire(lab, "up1")
    lab.ready_driver(bridge("br-old", "up0", "up1"))
    driver, report = restarted(lab, bridge("br-old", "up0"), bridge("br-two", "up1"))
    assert codes(report) == ["UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0", "up1"], "br-two": []}
    lab.attach(driver, lab.new_netns())
    assert "br-old, which has 2 Pods" in refusal(lab, driver, bridge="br-two")
    tenant.is_untouched(lab)


def test_an_uplink_that_replaces_another_joins_when_the_pods_or_the_other_are_gone(lab: Lab, tenant: Tenant) -> None:
    wire(lab, "up1")
    driver, report = restarted(lab, bridge("br-old", "up1"))
    assert codes(report) == ["UplinkDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0"]}
    assert "it still has up0 for its 1 Pod" in refusal(lab, driver)
    tenant.is_untouched(lab)
    run_in(lab.node, ["ip", "link", "del", "up0"])
    assert driver.reconcile_node(driver.host.config, lab.call()).settled
    assert uplinks(lab) == {"br-old": ["up1"]}
    assert driver.check(tenant.attachment, lab.call()).clean
    assert ping(tenant.pod, FAR)


def test_a_draining_bridge_keeps_an_uplink_that_goes_away_for_a_while(lab: Lab, tenant: Tenant) -> None:
    run_in(lab.node, ["ip", "link", "del", "up0"])
    driver, report = restarted(lab, bridge("br-new", "up0"))
    assert codes(report) == ["BridgeDraining", "UplinkDraining"]
    assert uplinks(lab)["br-old"] == ["up0"]
    wire(lab, "up0")
    assert driver.reconcile_node(driver.host.config, lab.call()) == report
    assert ping(tenant.pod, FAR)
    before = lab.snapshot()
    assert driver.reconcile_node(driver.host.config, lab.call()) == report
    assert diff(before, lab.snapshot()) == []


def test_what_a_record_names_stays_while_port_and_link_are_lost(lab: Lab, tenant: Tenant) -> None:
    """A repair removes and makes them again, and the bridge must be there for it."""
    tenant.driver.detach(tenant.attachment, lab.call())
    driver, report = restarted(lab, bridge("br-new", "up0"), attachments=(tenant.attachment,))
    assert codes(report) == ["BridgeDraining", "UplinkDraining"]
    assert uplinks(lab) == {"br-old": ["up0"], "br-new": []}
    driver.attach(tenant.attachment, lab.call())
    assert driver.check(tenant.attachment, lab.call()).clean
    driver.detach(tenant.attachment, lab.call())
    assert driver.reconcile_node(driver.host.config, lab.call()).settled


def test_an_uplink_in_another_bridge_is_seen_there(lab: Lab, tenant: Tenant) -> None:
    driver, _ = restarted(lab, bridge("br-new", "up0"))
    seen = {item.name: (item.state, item.message) for item in driver.observe_node(lab.call()).components}
    assert seen["up0"] == (ComponentState.DOWN, "it is a port of br-old and not of br-new")
    tenant.is_untouched(lab)
