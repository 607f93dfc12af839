"""Two interfaces with one MAC on one VLAN, on a real Open vSwitch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import Attachment, Busy
from secnet_vlan import VlanDriver

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

MAC = "02:00:00:00:13:13"


def planned(
    lab: Lab, driver: VlanDriver, vlan: int, *, mac: str | None = MAC, options: dict[str, Any] | None = None
) -> Attachment:
    """As the core plans and binds; the VLAN is a pool's unless the options have it."""
    return driver.plan(lab.request(lab.new_netns(), mac=mac, options=options or {}), lab.call()).bind(None, vlan)


def attached(lab: Lab, driver: VlanDriver, vlan: int, **rest: Any) -> Attachment:
    """As the core attaches a new one."""
    attachment = planned(lab, driver, vlan, **rest)
    driver.admit(attachment, lab.call())
    driver.attach(attachment, lab.call())
    return attachment


def found(lab: Lab, driver: VlanDriver, attachment: Attachment) -> list[str]:
    report = driver.check(attachment, lab.call())
    assert report.clean, "it works as it was attached"
    assert {(item.code, item.repairable) for item in report.findings} <= {("DuplicateMac", False)}
    return [item.message for item in report.findings]


def test_both_are_attached_and_each_names_the_other(lab: Lab) -> None:
    driver = lab.ready_driver()
    first, second = attached(lab, driver, 100), attached(lab, driver, 100)
    (message,) = found(lab, driver, first)
    assert (
        f"Pod {second.request.pod} interface eth1 has the MAC {MAC} on VLAN 100 of OVS bridge br-secondary" in message
    )
    (message,) = found(lab, driver, second)
    assert f"Pod {first.request.pod} interface eth1" in message
    driver.detach(second, lab.call())
    assert found(lab, driver, first) == []


def test_another_vlan_bridge_or_mac_is_no_duplicate(lab: Lab) -> None:
    driver = lab.ready_driver({"bridgeName": "br-a"}, {"bridgeName": "br-b"}, duplicateMac="refuse")
    made = [
        attached(lab, driver, 100),
        attached(lab, driver, 200),
        attached(lab, driver, 0),
        attached(lab, driver, 100, options={"bridge": "br-b"}),
        attached(lab, driver, 100, mac=None),
    ]
    assert [found(lab, driver, each) for each in made] == [[]] * 5


def test_a_derived_mac_that_another_asks_for_is_a_duplicate(lab: Lab) -> None:
    driver = lab.ready_driver()
    first = attached(lab, driver, 100, mac=None)
    second = attached(lab, driver, 100, mac=first.mac)
    assert found(lab, driver, first)
    assert found(lab, driver, second)


@pytest.mark.parametrize("options", [{"vlan": 100}, {}], ids=["VLAN of the NAD", "VLAN of the pool"])
def test_the_second_waits_where_that_is_configured(lab: Lab, options: dict[str, Any]) -> None:
    """By the VLAN of the NAD before it takes an address."""
    driver = lab.ready_driver(duplicateMac="refuse")
    first = attached(lab, driver, 100, options=options)
    with pytest.raises(Busy, match=f"Pod {first.request.pod} interface eth1 has the MAC {MAC} on VLAN 100"):
        attached(lab, driver, 100, options=options)
    driver.detach(first, lab.call())
    attached(lab, driver, 100, options=options)


def test_a_living_one_is_repaired_beside_its_duplicate(lab: Lab) -> None:
    """Both were there before the option."""
    lenient = lab.ready_driver()
    first, second = attached(lab, lenient, 100), attached(lab, lenient, 100)
    strict = lab.ready_driver(duplicateMac="refuse")
    strict.detach(first, lab.call())
    strict.attach(first, lab.call())
    assert found(lab, strict, first)
    assert found(lab, strict, second)


def test_of_two_at_once_one_is_attached(lab: Lab) -> None:
    driver = lab.ready_driver(duplicateMac="refuse")
    both = [planned(lab, driver, 100) for _ in range(2)]
    driver.admit(both[0], lab.call())
    with pytest.raises(Busy, match=f"sandbox {both[0].key.container_id} interface eth1"):
        driver.admit(both[1], lab.call())
    driver.detach(both[0], lab.call())  # as the core undoes an attach that failed
    driver.admit(both[1], lab.call())
    driver.attach(both[1], lab.call())
    with pytest.raises(Busy):
        driver.admit(both[0], lab.call())
    assert found(lab, driver, both[1]) == []


def test_threads_that_attach_one_mac_leave_one(lab: Lab) -> None:
    driver = lab.ready_driver(duplicateMac="refuse")
    plans = [planned(lab, driver, 100) for _ in range(4)]
    refused: list[Busy] = []
    start = threading.Barrier(len(plans))

    def attach(attachment: Attachment) -> None:
        start.wait(10)
        try:
            driver.admit(attachment, lab.call())
            driver.attach(attachment, lab.call())
        except Busy as exc:
            refused.append(exc)

    threads = [threading.Thread(target=attach, args=(each,)) for each in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ports = [row for row in lab.switch.rows()["Port"].values() if row["external_ids"].get("secnet-mac") == MAC]
    assert (len(ports), len(refused)) == (1, 3)
