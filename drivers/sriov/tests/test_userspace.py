"""A device that a program takes: there is no link to move; the settings go to the physical function."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Busy, Call, NotReady, Unsupported

from .conftest import PF, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

OPTIONS = {"vlan": 100, "trust": "on", "spoofchk": "off"}
NEW_MAC = "02:aa:bb:cc:dd:01"


@pytest.fixture
def bound(lab: Lab) -> Lab:
    """The function is bound to vfio-pci."""
    lab.card.cut(VF)
    lab.card.set(VF, away=True)
    lab.tree.bind(VF, "vfio-pci")
    return lab


def test_the_card_is_configured_and_nothing_is_moved(bound: Lab) -> None:
    lab, pod = bound, bound.new_netns()
    before, driver = lab.kept(), lab.driver()
    attachment, result, steps = lab.attach(driver, pod, {"vlan": 100, "trust": "on"}, mac=NEW_MAC)
    assert (result.netdev, result.mac, result.mtu) == (False, NEW_MAC, None)
    assert result.device_info is not None
    assert (result.device_info["type"], result.device_info["pci"]["pci-address"]) == ("pci", VF)
    assert steps == ["device.hold", "vf.vlan", "vf.mac", "vf.trust"]
    assert (lab.kept()["vlan"], lab.kept()["mac"], lab.kept()["trust"]) == (100, NEW_MAC, True)
    assert lab.pod_link(pod) is None
    assert driver.check(attachment, lab.call()).clean
    assert [item.complete for item in driver.inventory(lab.call()).owned] == [True]
    assert driver.attach(attachment, lab.call()) == result
    driver.detach(attachment, lab.call())
    assert lab.kept() == before
    assert driver.inventory(lab.call()).owned == ()


def test_a_lost_holding_leaves_what_the_record_says(bound: Lab) -> None:
    """There is no link to bear a mark."""
    lab, driver = bound, bound.driver()
    before = lab.kept()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), OPTIONS, mac=NEW_MAC)
    shutil.rmtree(lab.folder / "state")
    driver.detach(attachment, lab.call())
    assert lab.kept() == before


def test_a_lost_holding_and_nothing_known_is_made_safe_and_reported(
    bound: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, driver = bound, bound.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), OPTIONS)
    shutil.rmtree(lab.folder / "state")
    with caplog.at_level("WARNING"):
        driver.detach(dataclasses.replace(attachment, prior={}), lab.call())
    assert "VLAN 0, spoofchk on and trust off" in caplog.text
    assert (lab.kept()["vlan"], lab.kept()["trust"], lab.kept()["spoofchk"]) == (0, False, True)


def test_a_late_detach_leaves_the_next_holder_alone(bound: Lab) -> None:
    lab, driver = bound, bound.driver()
    first, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 100})
    driver.detach(first, lab.call())
    second, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5})
    driver.detach(first, lab.call())
    assert driver.check(second, lab.call()).clean


def test_what_the_card_does_not_take_back_is_not_for_the_next_program(bound: Lab) -> None:
    lab, driver = bound, bound.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), OPTIONS)
    lab.card.set(VF, refuses=["trust"])
    driver.detach(attachment, lab.call())
    with pytest.raises(NotReady, match="trust on"):
        lab.attach(driver, lab.new_netns(), {"vlan": 5})


def test_check_sees_what_someone_sets_on_the_card(bound: Lab) -> None:
    lab, driver = bound, bound.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 100})
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "vlan": 5}})
    assert [item.code for item in driver.check(attachment, lab.call()).findings] == ["WrongVlan"]


def test_it_is_unsupported_where_containers_do_not_wait(bound: Lab) -> None:
    """The program would take the device before it is set up."""
    with pytest.raises(Unsupported, match="do not wait"):
        bound.driver().plan(bound.request(bound.new_netns()), Call.within(20, awaited=False))


def test_an_mtu_is_unsupported(bound: Lab) -> None:
    with pytest.raises(Unsupported) as raised:
        bound.plan(bound.driver(), bound.new_netns(), mtu=1400)
    assert raised.value.path == "$.mtu"


def test_a_device_that_changed_its_driver_is_planned_again(bound: Lab) -> None:
    lab, driver = bound, bound.driver()
    attachment = lab.plan(driver, lab.new_netns())
    lab.tree.bind(VF, "igbvf")
    with pytest.raises(Busy, match="igbvf now"):
        driver.attach(attachment, lab.call())


def test_the_parent_is_named(bound: Lab) -> None:
    _, result, _ = bound.attach(bound.driver(), bound.new_netns())
    assert result.device_info is not None
    assert result.device_info["pci"]["pf-pci-address"] == PF
