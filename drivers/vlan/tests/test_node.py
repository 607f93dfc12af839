"""Bridges and uplinks of the node, on a real Open vSwitch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import InvalidConfig, NodeReport, NotReady, Unavailable
from secnet.linux.rtnl import host_rtnl
from secnet.ovs import OWNER_ID
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.netns import run_in

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

BRIDGE = "br-secondary"


def wire(lab: Lab, *names: str, up: bool = True, mtu: int = 1500) -> None:
    """Interfaces to be uplinks, each with a far end."""
    for name in names:
        far = f"far-{name}"
        run_in(lab.node, ["ip", "link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", far])
        for end in (name, far):  # no address that comes by itself, and late
            run_in(lab.node, ["ip", "link", "set", end, "addrgenmode", "none"])
        run_in(lab.node, ["ip", "link", "set", far, "up"])
        if up:
            run_in(lab.node, ["ip", "link", "set", name, "up"])


def bridge(name: str = BRIDGE, *uplinks: str, **rest: Any) -> dict[str, Any]:
    return {"bridgeName": name, "physicalInterfaces": list(uplinks), **rest}


def reconcile(lab: Lab, *bridges: dict[str, Any]) -> NodeReport:
    driver = lab.driver(*bridges)
    return driver.reconcile_node({"ovsBridges": list(bridges), "datapathType": "netdev"}, lab.call())


def codes(report: NodeReport) -> list[str]:
    return [finding.code for finding in report.findings]


def until_equal(lab: Lab, before: HostSnapshot) -> None:
    """ovs-vswitchd removes the device of a bridge a little after its row is gone."""
    limit = lab.call()
    while lines := diff(before, lab.snapshot()):
        assert limit.remaining() > 5, lines
        limit.sleep(0.02)


def is_up(name: str) -> bool:
    with host_rtnl() as kernel:
        link = kernel.link(name)
    assert link is not None
    return link.up


def test_bridges_and_uplinks_are_made_and_a_second_round_changes_nothing(lab: Lab) -> None:
    wire(lab, "up0", "up1", "up2")
    wanted = [bridge("br-a", "up0", "up1", enableMulticastSnooping=True), bridge("br-b", "up2"), bridge("br-c")]
    report = reconcile(lab, *wanted)
    assert report.settled
    rows = lab.switch.rows()
    assert {name: row["ports"] for name, row in rows["Bridge"].items()} == {
        "br-a": ["br-a", "up0", "up1"],
        "br-b": ["br-b", "up2"],
        "br-c": ["br-c"],
    }
    assert [rows["Bridge"][name]["mcast_snooping_enable"] for name in ("br-a", "br-b")] == [True, False]
    assert (rows["Port"]["up0"]["tag"], rows["Port"]["up0"]["vlan_mode"]) == ([], [])
    assert (rows["Port"]["br-a"]["tag"], rows["Port"]["br-a"]["vlan_mode"]) == (0, "access")
    assert rows["Port"]["up0"]["external_ids"]["secnet-role"] == "uplink"
    before = lab.snapshot()
    assert reconcile(lab, *wanted).settled
    assert diff(before, lab.snapshot()) == []


def test_what_was_altered_is_put_right(lab: Lab) -> None:
    wire(lab, "up0")
    reconcile(lab, bridge(BRIDGE, "up0"))
    right = lab.switch.rows()
    lab.switch.vsctl("set", "bridge", BRIDGE, "mcast_snooping_enable=true")
    lab.switch.vsctl("clear", "port", BRIDGE, "tag")
    lab.switch.vsctl("set", "port", "up0", "tag=5")
    assert reconcile(lab, bridge(BRIDGE, "up0")).settled
    assert lab.switch.rows() == right


def test_a_missing_uplink_is_a_finding_until_it_comes(lab: Lab) -> None:
    wire(lab, "up1")
    wanted = bridge(BRIDGE, "up0", "up1")
    report = reconcile(lab, wanted)
    assert codes(report) == ["NotReady"]
    assert "up0 does not exist" in report.findings[0].message
    assert lab.switch.rows()["Bridge"][BRIDGE]["ports"] == [BRIDGE, "up1"]
    wire(lab, "up0")
    assert reconcile(lab, wanted).settled
    assert lab.switch.rows()["Bridge"][BRIDGE]["ports"] == [BRIDGE, "up0", "up1"]


def test_an_uplink_that_was_down_is_brought_up_and_restored_down(lab: Lab) -> None:
    wire(lab, "up0", up=False)
    before = lab.snapshot()
    reconcile(lab, bridge(BRIDGE, "up0"))
    assert is_up("up0")
    assert reconcile(lab, bridge(BRIDGE, "up0")).settled
    assert reconcile(lab).settled
    until_equal(lab, before)


def test_an_uplink_restored_down_stays_down_behind_a_slow_vswitchd(lab: Lab) -> None:
    wire(lab, "up0", up=False)
    before = lab.snapshot()
    reconcile(lab, bridge(BRIDGE, "up0"))
    lab.switch.vsctl("wait-until", "Interface", "up0", "admin_state=up")  # else it knows of nothing to notice
    lab.switch.pause_switch()
    assert "Busy" in codes(reconcile(lab))
    lab.switch.resume_switch()
    assert reconcile(lab).settled
    until_equal(lab, before)


def test_an_uplink_moves_and_goes_with_the_configuration(lab: Lab) -> None:
    wire(lab, "up0", "up1")
    reconcile(lab, bridge("br-a", "up0", "up1"), bridge("br-b"))
    assert reconcile(lab, bridge("br-a", "up0"), bridge("br-b", "up1")).settled
    assert lab.switch.rows()["Bridge"]["br-b"]["ports"] == ["br-b", "up1"]
    assert reconcile(lab, bridge("br-a", "up0"), bridge("br-b")).settled
    assert lab.switch.rows()["Bridge"]["br-b"]["ports"] == ["br-b"]
    assert is_up("up1")


def test_a_bridge_drains_before_it_goes(lab: Lab) -> None:
    wire(lab, "up0")
    driver = lab.ready_driver(bridge("br-old", "up0"))
    pod = lab.new_netns()
    attachment = lab.attach(driver, pod, 100)
    report = reconcile(lab, bridge("br-new"))
    assert codes(report) == ["BridgeDraining"]
    assert attachment.names["host"] in report.findings[0].message
    assert driver.check(attachment, lab.call()).clean
    assert "up0" in lab.switch.rows()["Bridge"]["br-old"]["ports"], "its Pods still need the uplink"
    with pytest.raises(InvalidConfig):
        lab.driver(bridge("br-new")).plan(lab.request(pod, "eth2", options={"bridge": "br-old"}), lab.call())
    driver.detach(attachment, lab.call())
    assert reconcile(lab, bridge("br-new")).settled
    assert set(lab.switch.rows()["Bridge"]) == {"br-new"}


def test_a_foreign_bridge_is_used_and_left_as_it_was(lab: Lab) -> None:
    wire(lab, "theirs", "up0")
    lab.switch.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "external_ids:a=b")
    lab.switch.vsctl("add-port", BRIDGE, "theirs")
    before = lab.snapshot()
    wanted = bridge(BRIDGE, "theirs", "up0")
    driver = lab.driver(wanted)
    report = driver.reconcile_node({"ovsBridges": [wanted], "datapathType": "netdev"}, lab.call())
    assert report.settled
    assert report.details["adopted"] == (BRIDGE,)
    assert lab.switch.rows()["Bridge"][BRIDGE]["external_ids"] == {"a": "b"}
    assert OWNER_ID not in lab.switch.rows()["Port"]["theirs"]["external_ids"]
    attachment = lab.attach(driver, lab.new_netns(), 100)
    assert driver.check(attachment, lab.call()).clean
    driver.detach(attachment, lab.call())
    driver.teardown_node(lab.call())
    assert diff(before, lab.snapshot()) == []


def test_settings_of_a_foreign_bridge_that_differ_are_reported(lab: Lab) -> None:
    lab.switch.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev")
    assert codes(reconcile(lab, bridge(BRIDGE, enableMulticastSnooping=True))) == ["BridgeDiffers"]


def test_an_uplink_in_use_elsewhere_is_not_taken(lab: Lab) -> None:
    wire(lab, "onbr", "access", "member", "home")
    lab.switch.vsctl("add-br", "br-x", "--", "set", "bridge", "br-x", "datapath_type=netdev")
    lab.switch.vsctl("add-port", "br-x", "onbr")
    reconcile(lab, bridge())
    lab.switch.vsctl("add-port", BRIDGE, "access", "tag=5")
    run_in(lab.node, ["ip", "link", "add", "lbr", "type", "bridge"])
    run_in(lab.node, ["ip", "link", "set", "member", "master", "lbr"])
    run_in(lab.node, ["ip", "addr", "add", "192.0.2.1/24", "dev", "home"])
    before = lab.snapshot()
    report = reconcile(lab, bridge(BRIDGE, "onbr", "access", "member", "home"))
    assert codes(report) == ["Conflict", "Conflict", "Busy", "Busy"]
    for finding, word in zip(
        report.findings, ("port of br-x", "no trunk", "member of another", "192.0.2.1/24"), strict=True
    ):
        assert word in finding.message
    assert diff(before, lab.snapshot()) == []


def test_teardown_leaves_the_node_as_it_was_but_keeps_what_pods_use(lab: Lab) -> None:
    wire(lab, "up0", "up1")
    before = lab.snapshot()
    driver = lab.ready_driver(bridge("br-a", "up0"), bridge("br-b", "up1"))
    attachment = lab.attach(driver, lab.new_netns(), 100, options={"bridge": "br-b"})
    driver.teardown_node(lab.call())
    assert set(lab.switch.rows()["Bridge"]) == {"br-b"}
    assert driver.check(attachment, lab.call()).clean
    driver.detach(attachment, lab.call())
    driver.teardown_node(lab.call())
    driver.teardown_node(lab.call())
    until_equal(lab, before)


def test_ovs_away_is_an_error_and_not_a_finding(lab: Lab) -> None:
    lab.switch.stop_server()
    with pytest.raises(Unavailable):
        reconcile(lab, bridge())


@pytest.mark.parametrize(
    ("mtu", "default", "got"),
    [(None, 1500, 1500), (None, 9000, 4000), (None, "uplink", 4000), (1400, 1500, 1400), (4000, 1500, 4000)],
)
def test_the_mtu_follows_nad_node_and_uplinks(lab: Lab, mtu: int | None, default: int | str, got: int) -> None:
    wire(lab, "up0", mtu=4000)
    wire(lab, "up1", mtu=5000)
    driver = lab.ready_driver(bridge(BRIDGE, "up0", "up1"), defaultMtu=default)
    assert lab.attach(driver, lab.new_netns(), mtu=mtu).mtu == got


def test_an_mtu_above_the_uplinks_is_refused_and_any_fits_without_uplinks(lab: Lab) -> None:
    wire(lab, "up0", mtu=1400)
    driver = lab.ready_driver(bridge(BRIDGE, "up0"), bridge("br-inside"))
    pod = lab.new_netns()
    with pytest.raises(InvalidConfig, match="does not fit through the uplinks") as raised:
        driver.plan(lab.request(pod, mtu=1500), lab.call())
    assert raised.value.path == "$.mtu"
    inside = lab.attach(driver, pod, mtu=9000, options={"bridge": "br-inside"})
    assert driver.check(inside, lab.call()).clean


def test_the_named_bridge_is_used_and_else_the_first(lab: Lab) -> None:
    driver, pod = lab.ready_driver(bridge("br-a"), bridge("br-b")), lab.new_netns()
    first = lab.attach(driver, pod)
    named = lab.attach(driver, pod, ifname="eth2", options={"bridge": "br-b"})
    rows = lab.switch.rows()["Bridge"]
    assert first.names["host"] in rows["br-a"]["ports"]
    assert named.names["host"] in rows["br-b"]["ports"]


def test_a_node_without_bridges_is_not_ready(lab: Lab) -> None:
    driver = lab.driver(ovsBridges=[])
    assert "ovsBridges" in driver.probe().message
    with pytest.raises(NotReady, match="no bridge"):
        driver.plan(lab.request(lab.new_netns()), lab.call())


def test_a_bridge_none_of_whose_uplinks_exists_takes_no_new_pods(lab: Lab) -> None:
    """Those that are on it stay as they are; so it is when the uplinks die."""
    wire(lab, "up0", "up1")
    wanted = bridge(BRIDGE, "up0", "up1")
    driver = lab.ready_driver(wanted)
    attachment = lab.attach(driver, lab.new_netns(), 100)
    run_in(lab.node, ["ip", "link", "del", "up0"])
    report = reconcile(lab, wanted)
    assert (codes(report), report.ready) == (["NotReady"], True), "one of several is only reported"
    lab.attach(driver, lab.new_netns(), 100)
    run_in(lab.node, ["ip", "link", "del", "up1"])
    report = reconcile(lab, wanted)
    assert (codes(report), report.ready) == (["NotReady", "NotReady"], False)
    with pytest.raises(NotReady, match=f"{BRIDGE}: none of its uplinks exists on this node: up0, up1"):
        driver.plan(lab.request(lab.new_netns()), lab.call())
    assert driver.check(attachment, lab.call()).clean
    wire(lab, "up1")
    report = reconcile(lab, wanted)
    assert (codes(report), report.ready) == (["NotReady"], True)
    lab.attach(driver, lab.new_netns(), 100)


def test_an_uplink_that_exists_and_is_in_no_bridge_yet_is_waited_for(lab: Lab) -> None:
    wire(lab, "up0")
    run_in(lab.node, ["ip", "addr", "add", "192.0.2.1/24", "dev", "up0"])
    driver = lab.driver(bridge(BRIDGE, "up0"))
    assert not driver.reconcile_node(driver.host.config, lab.call()).ready
    with pytest.raises(NotReady, match="none of its uplinks is in it: up0"):
        driver.plan(lab.request(lab.new_netns()), lab.call())
    run_in(lab.node, ["ip", "addr", "flush", "dev", "up0"])
    assert driver.reconcile_node(driver.host.config, lab.call()).settled
    lab.attach(driver, lab.new_netns())
