"""What one attachment makes, checks and removes, on a real Open vSwitch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import (
    Attachment,
    Gone,
    InvalidConfig,
    NetnsRef,
    NotReady,
    Unavailable,
)
from secnet.linux.names import LINK_GROUP, host_ifname, mac_for
from secnet.linux.rtnl import host_rtnl
from secnet_conformance.snapshot import diff
from secnet_conformance.steps import Recorder
from secnet_testing.netns import ping, run_in

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

Until = Callable[[Callable[[], object], str], None]


def codes(lab: Lab, driver: Any, attachment: Attachment) -> list[str]:
    return [finding.code for finding in driver.check(attachment, lab.call()).findings]


def test_attach_makes_the_pair_and_the_port(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    request = lab.request(pod, mac="02:aa:bb:cc:dd:01", mtu=1400)
    attachment = driver.plan(request, lab.call()).bind(None, 100)
    result = driver.attach(attachment, lab.call())
    host = host_ifname(request.key)
    assert (result.mac, result.mtu, result.netdev, result.late_carrier) == ("02:aa:bb:cc:dd:01", 1400, True, False)
    assert dict(result.details) == {"bridge": "br-secondary", "port": host, "vlan": 100}
    with host_rtnl() as kernel:
        link = kernel.link(host)
    assert link is not None
    assert (link.up, link.mtu, link.group, link.alias) == (True, 1400, LINK_GROUP, f"secnet:{pod.name}/eth1")
    inside = run_in(pod, ["ip", "-d", "link", "show", "eth1"])
    assert "02:aa:bb:cc:dd:01" in inside
    assert "mtu 1400" in inside
    assert "state DOWN" in inside
    assert run_in(lab.node, ["cat", f"/proc/sys/net/ipv6/conf/{host}/disable_ipv6"]).strip() == "1"
    row = lab.switch.rows()["Port"][host]
    assert (row["tag"], row["vlan_mode"]) == (100, "access")
    assert row["external_ids"]["secnet-pod"] == f"default/{pod.name}"
    assert driver.check(attachment, lab.call()).clean


def test_the_mac_follows_from_the_key_unless_one_is_asked_for(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod)
    assert attachment.mac == mac_for(attachment.key)
    assert driver.check(attachment, lab.call()).clean


def test_one_pod_takes_several_interfaces(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    before = lab.snapshot(pod)
    made = [lab.attach(driver, pod, vlan, name) for vlan, name in ((0, "eth1"), (100, "eth2"), (100, "net.3"))]
    assert [codes(lab, driver, each) for each in made] == [[], [], []]
    for each in made:
        driver.detach(each, lab.call())
    assert diff(before, lab.snapshot(pod)) == []


def test_detach_copes_with_a_port_that_is_gone(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    before = lab.snapshot(pod)
    attachment = lab.attach(driver, pod, 100)
    lab.switch.vsctl("del-port", attachment.names["host"])
    driver.detach(attachment, lab.call())
    assert diff(before, lab.snapshot(pod)) == []


def test_the_steps_and_their_order(lab: Lab) -> None:
    """Metrics and logs name them."""
    driver, pod, steps = lab.ready_driver(), lab.new_netns(), Recorder()
    attachment = driver.plan(lab.request(pod), lab.call()).bind(None, 100)
    driver.attach(attachment, lab.call(observers=(steps,)))
    driver.detach(attachment, lab.call(observers=(steps,)))
    assert steps.names == ["veth.create", "veth.silence", "veth.up", "port.add", "port.delete", "veth.delete"]


def test_attach_without_the_netns_is_gone(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    before = lab.snapshot()
    attachment = driver.plan(lab.request(pod), lab.call()).bind(None, 0)
    run_in(None, ["ip", "netns", "del", pod.name])
    with pytest.raises(Gone):
        driver.attach(attachment, lab.call())
    with pytest.raises(Gone):
        driver.check(attachment, lab.call())
    assert diff(before, lab.snapshot()) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("remove port {host} external_ids secnet-owner", "PortForeign"),
        (
            "del-port {host} -- add-br br-x -- set bridge br-x datapath_type=netdev -- add-port br-x {host}",
            "PortForeign",
        ),
    ],
)
def test_check_sees_an_altered_port(lab: Lab, command: str, code: str) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod, 100)
    lab.switch.vsctl(*command.format(host=attachment.names["host"]).split())
    assert codes(lab, driver, attachment) == [code]


@pytest.mark.parametrize(
    ("where", "command", "code"),
    [
        ("pod", "ip link set eth1 mtu 1300", "WrongMtu"),
        ("pod", "ip link set eth1 address 02:00:00:00:00:99", "WrongMac"),
        ("node", "ip link set {host} name theirs", "HostLinkRenamed"),
        ("node", "ip link set {host} alias theirs", "HostLinkMissing"),
    ],
)
def test_check_sees_an_altered_link(lab: Lab, where: str, command: str, code: str) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod, 100)
    run_in(pod if where == "pod" else lab.node, command.format(host=attachment.names["host"]).split())
    assert codes(lab, driver, attachment) == [code]


def test_a_link_that_vanished_is_seen_and_attaching_again_repairs_it(lab: Lab) -> None:
    driver = lab.ready_driver()
    pod, _, attachment = lab.talker(driver, 100)
    _, peer, _ = lab.talker(driver, 100)
    run_in(pod, ["ip", "link", "del", "eth1"])
    assert "HostLinkMissing" in codes(lab, driver, attachment)
    driver.attach(attachment, lab.call())
    assert codes(lab, driver, attachment) == []
    run_in(pod, ["ip", "addr", "add", "10.77.0.200/24", "dev", "eth1"])
    run_in(pod, ["ip", "link", "set", "eth1", "up"])
    assert ping(pod, peer, within=5)


def test_a_link_left_by_a_sandbox_that_is_gone_makes_room(lab: Lab) -> None:
    """The runtime may give a sandbox a new namespace under its old id; the pair of the old one is in the way then."""
    driver, old, pod = lab.ready_driver(), lab.new_netns(), lab.new_netns()
    lab.attach(driver, old, 100, container_id="c1")
    attachment = lab.attach(driver, pod, 100, container_id="c1")
    assert codes(lab, driver, attachment) == []
    assert "eth1" not in run_in(old, ["ip", "link", "show"])


def test_ovsdb_down_then_up(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod, 100)
    lab.switch.stop_server()
    assert not driver.probe().ready
    for attempt in (
        lambda: driver.plan(lab.request(pod, "eth2"), lab.call()),
        lambda: driver.detach(attachment, lab.call()),
        lambda: driver.check(attachment, lab.call()),
        lambda: driver.inventory(lab.call()),
    ):
        with pytest.raises(Unavailable):
            attempt()
    lab.switch.start_server()
    assert driver.probe().ready
    assert codes(lab, driver, attachment) == []
    driver.detach(attachment, lab.call())
    assert driver.inventory(lab.call()).owned == ()


def test_a_switch_that_restarts_serves_the_ports_again(lab: Lab, until: Until) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod, 100)
    lab.switch.stop_switch()
    lab.switch.start_switch()
    until(lambda: codes(lab, driver, attachment) == [], "the port is served again")


def test_inventory_rebuilds_what_was_attached(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    attachment = lab.attach(driver, pod, 100, mac="02:aa:bb:cc:dd:01", mtu=1400)
    (owned,) = lab.driver().inventory(lab.call()).owned
    rebuilt = owned.attachment
    assert owned.complete
    assert (rebuilt.key, rebuilt.names, rebuilt.mac, rebuilt.mtu, rebuilt.vlan) == (
        attachment.key,
        attachment.names,
        attachment.mac,
        attachment.mtu,
        100,
    )
    request = attachment.request
    assert (rebuilt.request.pod, rebuilt.request.network, rebuilt.request.netns) == (
        request.pod,
        request.network,
        request.netns,
    )
    assert codes(lab, driver, rebuilt) == []


def test_inventory_reports_halves_and_foreign_links(lab: Lab) -> None:
    driver, one, two = lab.ready_driver(), lab.new_netns(), lab.new_netns()
    port_only, link_only = lab.attach(driver, one), lab.attach(driver, two)
    run_in(lab.node, ["ip", "link", "del", port_only.names["host"]])
    lab.switch.vsctl("del-port", link_only.names["host"])
    run_in(lab.node, ["ip", "link", "add", "snhalf", "group", str(LINK_GROUP), "type", "veth", "peer", "name", "other"])
    run_in(lab.node, ["ip", "link", "add", "plain", "type", "veth", "peer", "name", "plain2"])
    inventory = driver.inventory(lab.call())
    assert {(each.attachment.key, each.complete) for each in inventory.owned} == {
        (port_only.key, False),
        (link_only.key, False),
    }
    assert [(each.kind, each.name) for each in inventory.foreign] == [("link", "snhalf")]
    for each in inventory.owned:
        driver.detach(each.attachment, lab.call())
    assert driver.inventory(lab.call()).owned == ()


def test_plan_refuses_what_cannot_be(lab: Lab) -> None:
    driver, pod = lab.ready_driver(), lab.new_netns()
    with pytest.raises(InvalidConfig, match="none of this node's bridges") as raised:
        driver.plan(lab.request(pod, options={"bridge": "br-int"}), lab.call())
    assert "br-secondary" in raised.value.hint
    absent = lab.driver({"bridgeName": "br-none"})
    with pytest.raises(NotReady, match="bridge does not exist"):
        absent.plan(lab.request(pod), lab.call())
    gone = NetnsRef(path="/run/netns/sn-none", device=1, inode=2)
    with pytest.raises(Gone):
        driver.plan(lab.request(pod, netns=gone), lab.call())
