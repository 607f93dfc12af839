"""The macvlan driver through the conformance kit, and what the kit cannot know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import Attachment, AttachRequest, Busy, Call, Conflict, NetworkRef
from secnet_conformance import Bad, Breakage, DriverCase, DriverSuite, Host, Namespace
from secnet_conformance.netns import entered
from secnet_macvlan import MacvlanDriver

MASTER, FAR_END = "up0", "up1"
MASTER_MAC = "02:00:00:00:0a:01"


def in_pod(command: str) -> Any:
    """A breakage: a command in the Pod, with `{}` for the interface."""

    def run(host: Host, attachment: Attachment) -> None:
        request = attachment.request
        host.run_in(host.pod_of(request.netns), command.format(request.ifname))

    return run


def wire(host: Host, index: int = 7) -> None:
    """A master that is up, with somebody at its other end. Its MAC and index are the same each time, as the records hold them."""
    host.run(f"ip link add {MASTER} index {index} address {MASTER_MAC} type veth peer name {FAR_END}")
    host.run(f"ip address add 192.0.2.1/24 dev {FAR_END}")
    for end in (MASTER, FAR_END):
        host.run(f"ip link set {end} up")


class MacvlanCase(DriverCase):
    driver = MacvlanDriver
    golden = Path(__file__).parent / "golden"
    good = (
        {"master": MASTER},
        {"master": MASTER, "mode": "private"},
        {"master": MASTER, "mode": "vepa"},
        {"master": MASTER, "mode": "passthru"},
    )
    bad = (
        Bad({}, reason="InvalidConfig", match="master"),
        Bad({"master": MASTER, "mode": "odd"}, reason="InvalidConfig", match="mode"),
        Bad({"master": MASTER, "vlan": 5}, reason="InvalidConfig", match="vlan"),
        Bad({"master": "none0"}, reason="NotReady", match="none0"),
        Bad({"master": "lo"}, reason="Unsupported", match="$.master"),
        Bad({"master": "mv0"}, reason="Unsupported", match="macvlan itself"),
        Bad({"master": "port0"}, reason="Busy", match="br0"),
        Bad({"master": MASTER}, request={"mtu": 9000}, reason="InvalidConfig", match="$.mtu"),
        Bad({"master": MASTER, "mode": "passthru"}, request={"mac": "02:00:00:00:00:01"}, reason="Unsupported"),
    )
    breakages = (
        Breakage("the interface is removed", in_pod("ip link del {}"), code="LinkMissing"),
        Breakage("the alias says another owner", in_pod("ip link set {} alias nobody"), code="LinkForeign"),
        Breakage("another MAC", in_pod("ip link set {} address 02:00:00:00:00:99"), code="WrongMac"),
        Breakage("another MTU", in_pod("ip link set {} mtu 1300"), code="WrongMtu"),
        Breakage("another mode", in_pod("ip link set {} type macvlan mode vepa"), code="WrongMode"),
        Breakage("the master's MTU sinks", lambda host, _: host.run(f"ip link set {MASTER} mtu 1300"), code="WrongMtu"),
        Breakage("the master is removed", lambda host, _: host.run(f"ip link del {MASTER}"), code="MasterMissing"),
    )

    def prepare(self, host: Host) -> None:
        wire(host)
        host.run(f"ip link add mv0 link {FAR_END} type macvlan")
        host.run("ip link add br0 type bridge")
        host.run("ip link add port0 type veth peer name port1")
        host.run("ip link set port0 master br0")

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        ifname, mode = attachment.request.ifname, attachment.request.options.get("mode", "bridge")
        assert f"macvlan mode {mode}" in host.run_in(pod, f"ip -d -o link show {ifname}")
        host.run_in(pod, f"ip address add 192.0.2.2/24 dev {ifname}")
        host.run_in(pod, "ping -n -c 1 -w 10 192.0.2.1")


class TestMacvlan(DriverSuite):
    case = MacvlanCase


# --- What no other driver has --------------------------------------------------------------------------------------------


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with the master."""
    made = Host(namespaced=True)
    try:
        assert made.namespace is not None
        with entered(made.namespace):
            wire(made)
            yield made
    finally:
        made.close()


def planned(host: Host, **options: str) -> tuple[MacvlanDriver, Attachment]:
    """A driver, and a plan of its for a new sandbox."""
    driver, pod = MacvlanDriver(host.context({}, {})), host.new_pod()
    request = AttachRequest(
        container_id=pod.name,
        ifname="net1",
        network=NetworkRef(namespace="default", name="factory"),
        network_type="macvlan",
        netns=pod.ref,
        options={"master": MASTER, **options},
    )
    return driver, driver.plan(request, Call.within(20))


def test_a_renamed_master_is_still_the_master(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    host.run(f"ip link set {MASTER} name up9")
    assert driver.check(attachment, Call.within(20)).clean
    driver.detach(attachment, Call.within(20))
    assert "net1" not in host.run_in(host.pod_of(attachment.request.netns), "ip -o link show")


def test_a_master_that_was_moved_away_is_reported_and_not_repaired(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    host.run(f"ip link set {MASTER} netns {host.new_pod().name}")
    findings = driver.check(attachment, Call.within(20)).findings
    assert [(finding.code, finding.repairable) for finding in findings] == [("MasterMissing", False)]


def test_an_interface_is_recreated_once_its_removed_master_is_back(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    host.run(f"ip link del {MASTER}")
    missing = driver.check(attachment, Call.within(20)).findings
    assert {finding.code: finding.repairable for finding in missing} == {"LinkMissing": False, "MasterMissing": False}
    wire(host, index=8)
    missing = driver.check(attachment, Call.within(20)).findings
    assert {finding.code: finding.repairable for finding in missing} == {"LinkMissing": True}
    driver.detach(attachment, Call.within(20))
    again = driver.plan(attachment.request, Call.within(20))
    driver.attach(again, Call.within(20))
    assert driver.check(again, Call.within(20)).clean


def test_passthru_shares_its_master_with_no_one(host: Host) -> None:
    driver, attachment = planned(host, mode="passthru")
    assert driver.lock_keys(attachment.request) == (f"macvlan:{MASTER}",)
    driver.attach(attachment, Call.within(20))
    _, second = planned(host)
    assert driver.lock_keys(second.request) == ()
    with pytest.raises(Busy, match="passthru"):
        driver.attach(second, Call.within(20))
    driver.detach(attachment, Call.within(20))
    driver.attach(second, Call.within(20))


def test_a_renamed_interface_is_removed_all_the_same(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    pod = host.pod_of(attachment.request.netns)
    host.run_in(pod, "ip link set net1 name other0")
    driver.detach(attachment, Call.within(20))
    assert "macvlan" not in host.run_in(pod, "ip -d -o link show")


def test_a_mtu_that_cannot_be_had_again_is_not_repaired(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    host.run(f"ip link set {MASTER} mtu 1300")
    for asked in (None, 1500):
        wanted = replace(attachment, request=replace(attachment.request, mtu=asked))
        findings = driver.check(wanted, Call.within(20)).findings
        assert [(finding.code, finding.repairable) for finding in findings] == [("WrongMtu", False)]


def test_a_renamed_interface_gets_no_twin_of_the_same_mac(host: Host) -> None:
    driver, attachment = planned(host)
    driver.attach(attachment, Call.within(20))
    pod = host.pod_of(attachment.request.netns)
    host.run_in(pod, "ip link set net1 name other0")
    driver.attach(attachment, Call.within(20))
    with pytest.raises(Conflict, match="renamed net1 to other0"):
        driver.plan(attachment.request, Call.within(20))
    assert host.run_in(pod, "ip -d -o link show").count("macvlan") == 1
    driver.detach(attachment, Call.within(20))
    driver.attach(attachment, Call.within(20))
    assert driver.check(attachment, Call.within(20)).clean
