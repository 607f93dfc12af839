"""A device that the host bound to another driver while a Pod had it: what was its link is not coming back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Busy

from .conftest import MAC, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

OPTIONS = {"vlan": 100, "trust": "on", "spoofchk": "off"}


def bind(lab: Lab, driver: str) -> None:
    """What `driverctl` does: the link ends, wherever it is."""
    lab.card.cut(VF)
    lab.card.set(VF, away=driver == "vfio-pci")
    lab.tree.bind(VF, driver)


@pytest.mark.parametrize("other", ["vfio-pci", "another_vf"])
def test_it_is_released_and_the_card_has_back_what_it_keeps(
    lab: Lab, caplog: pytest.LogCaptureFixture, other: str
) -> None:
    before, driver = lab.kept(), lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), OPTIONS)
    bind(lab, other)
    with caplog.at_level("WARNING"):
        driver.detach(attachment, lab.call())
    assert f"device {VF}: the host has bound it to {other} instead of igbvf" in caplog.text
    assert lab.kept() == before
    assert driver.inventory(lab.call()).owned == ()


def test_the_next_pod_has_it_for_a_program_and_gives_it_back(lab: Lab) -> None:
    before, driver, pod = lab.kept(), lab.driver(), lab.new_netns()
    lab.attach(driver, pod, OPTIONS)
    lab.end(pod)
    bind(lab, "vfio-pci")
    second, result, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5})
    assert (result.netdev, lab.kept()["vlan"], lab.kept()["trust"]) == (False, 5, False)
    driver.detach(second, lab.call())
    assert lab.kept() == before


def test_a_link_that_it_has_now_is_the_one_to_give_back(lab: Lab) -> None:
    """A program had the device; its Pod is gone, and the host bound the network driver again."""
    before, driver, pod = lab.kept(), lab.driver(), lab.new_netns()
    bind(lab, "vfio-pci")
    lab.attach(driver, pod, OPTIONS)
    bind(lab, "igbvf")
    lab.end(pod)
    now = lab.host_link("back0")
    assert now is not None
    second, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5}, mtu=1300)
    driver.detach(second, lab.call())
    assert lab.kept() == before
    after = lab.host_link("back0")
    assert after is not None
    assert (after.mac, after.mtu, after.alias) == (now.mac, now.mtu, "")
    assert after.mac != MAC


def test_nothing_saved_and_bound_to_a_program_is_released_safe(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, OPTIONS)
    (path,) = (lab.folder / "state").rglob("*.json")
    data = json.loads(path.read_text())
    data["attachment"]["prior"] = {}
    path.write_text(json.dumps(data))
    bind(lab, "vfio-pci")
    driver.detach(attachment, lab.call())
    assert (lab.kept()["vlan"], lab.kept()["trust"], lab.kept()["spoofchk"]) == (0, False, True)
    assert driver.inventory(lab.call()).owned == ()


def test_one_that_may_still_come_is_waited_for_and_its_driver_is_named(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, OPTIONS)
    lab.end(pod)
    lab.card.set(VF, away=True)
    with pytest.raises(Busy, match="bound to igbvf"):
        driver.detach(attachment, lab.call())
    assert [item.attachment.key for item in driver.inventory(lab.call()).owned] == [attachment.key]
