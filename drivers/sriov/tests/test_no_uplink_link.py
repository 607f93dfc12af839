"""A physical function that a program took (vfio, DPDK): it is on the bus, has no link, and takes no settings."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import DeviceRef, NotReady, Unsupported
from secnet.linux.functions import Functions
from secnet.linux.rtnl import host_rtnl
from secnet_sriov.card import Card
from secnet_testing.fake_sysfs import FakeSys

from .conftest import MAC, PF, VF
from .test_holding import Interrupt

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

NEW_MAC = "02:aa:bb:cc:dd:01"


@pytest.fixture
def unlinked(lab: Lab) -> Lab:
    lab.card.set(VF, unlinked=True)
    return lab


def test_a_card_takes_settings_where_its_physical_function_has_a_link(lab: Lab) -> None:
    """The class itself, as the stand-in has a word of its own."""
    tree = FakeSys(lab.folder / "other")
    tree.pf(PF, driver="vfio-pci")
    tree.vf(PF, 0, VF)
    function = Functions(tree.root).get(VF)
    assert function is not None
    card = Card(tree.root)
    with host_rtnl() as kernel:
        assert not card.can_configure(kernel, function)
        with pytest.raises(NotReady, match="no link on the host"):
            card.vf(kernel, function)
        tree.netdev(PF, "vf1")
        assert card.can_configure(kernel, function)


def test_where_nothing_is_asked_of_it_it_is_as_if_there_were_none(unlinked: Lab) -> None:
    lab, driver, pod, before = unlinked, unlinked.driver(), unlinked.new_netns(), unlinked.kept()
    attachment, result, steps = lab.attach(driver, pod, {}, mac=NEW_MAC, mtu=1400)
    assert (result.mac, result.mtu) == (NEW_MAC, 1400)
    assert not any(step.startswith("vf.") for step in steps)
    assert driver.check(attachment, lab.call()).clean
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.mtu, link.alias, lab.kept()) == (MAC, 1450, "port", before)


def test_one_that_comes_back_meanwhile_gets_no_settings(unlinked: Lab) -> None:
    """What it keeps was not written down, so nothing could be restored."""
    lab, driver, before = unlinked, unlinked.driver(), unlinked.kept()
    attachment = lab.plan(driver, lab.new_netns())
    lab.card.set(VF, unlinked=False)
    driver.attach(attachment, lab.call())
    assert driver.check(attachment, lab.call()).clean
    driver.detach(attachment, lab.call())
    assert lab.kept() == before


@pytest.mark.parametrize("options", [{"trust": "on"}, {"vlan": 5}])
def test_what_is_asked_of_it_waits_for_its_link(unlinked: Lab, options: dict[str, Any]) -> None:
    with pytest.raises(NotReady, match=f"{PF} has no link"):
        unlinked.plan(unlinked.driver(), unlinked.new_netns(), options)


def test_the_vlan_of_a_pool_waits_for_its_link(unlinked: Lab) -> None:
    """It is known only after the plan."""
    lab, driver, before = unlinked, unlinked.driver(), unlinked.kept()
    attachment = driver.plan(lab.request(lab.new_netns()), lab.call()).bind(None, 5)
    with pytest.raises(NotReady, match=f"{PF} has no link"):
        driver.attach(attachment, lab.call())
    driver.detach(attachment, lab.call())
    assert lab.kept() == before


def test_a_half_attach_without_a_record_is_restored(lab: Lab) -> None:
    driver = lab.driver()
    with pytest.raises(Interrupt):
        driver.attach(lab.plan(driver, lab.new_netns(), {"vlan": 5}), lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    lab.card.set(VF, unlinked=True)
    (found,) = driver.inventory(lab.call()).owned
    driver.detach(found.attachment, lab.call())
    assert driver.inventory(lab.call()).owned == ()


def test_what_was_written_down_is_restored_once_it_has_its_link_again(lab: Lab) -> None:
    driver, before = lab.driver(), lab.kept()
    attachment, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5})
    lab.card.set(VF, unlinked=True)
    with pytest.raises(NotReady, match=f"{PF} has no link"):
        driver.detach(attachment, lab.call())
    lab.card.set(VF, unlinked=False)
    driver.detach(attachment, lab.call())
    assert lab.kept() == before


def test_the_mac_of_a_device_without_a_link_is_its_affair(unlinked: Lab) -> None:
    lab = unlinked
    for device, parent in ((VF, PF), ("0000:00:05.0", "")):
        if not parent:
            lab.tree.vf("", 0, device)
        lab.tree.bind(device, "vfio-pci")
    with pytest.raises(NotReady, match=f"{PF} has no link"):
        lab.plan(lab.driver(), lab.new_netns(), {}, mac=NEW_MAC)
    with pytest.raises(Unsupported, match="mac cannot be set") as raised:
        lab.plan(lab.driver(), lab.new_netns(), {}, mac=NEW_MAC, device=DeviceRef(id="0000:00:05.0"))
    assert raised.value.path == "mac"
