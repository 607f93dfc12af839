"""The representor's port in Open vSwitch, where the records are lost."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from secnet.contract import DeviceRef, Unavailable
from secnet.linux.rtnl import host_rtnl
from secnet_testing.netns import Namespace, run_in
from secnet_testing.ovs import OvsFactory

from .conftest import PF
from .test_holding import Interrupt
from .test_left import edit_prior

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

SF = "mlx5_core.sf.4"
NOWHERE = "unix:/nonexistent/db.sock"
OPTIONS = {"vlan": 100, "bridge": "br-off"}
CONFIG = {"bridges": ["br-off"]}


@pytest.fixture
def offloading(lab: Lab) -> Lab:
    """A subfunction with a representor."""
    lab.tree.sf(PF, SF, 88)
    lab.card.add(SF, "sf0", mac="02:f1:00:00:00:01")
    with host_rtnl() as kernel, lab.card.card().open() as fd:
        kernel.create_veth("rep0", "r0", fd, group=0)
    lab.tree.netdev(PF, "rep0", "pf0sf88")
    return lab


def test_a_port_without_any_record_goes_with_the_mark(offloading: Lab, ovs: OvsFactory, node_netns: Namespace) -> None:
    lab, switch, device = offloading, ovs(node_netns), DeviceRef(id=SF)
    switch.vsctl("add-br", "br-off", "--", "set", "bridge", "br-off", "datapath_type=netdev")
    driver = lab.driver(ovsdb=switch.target, config=CONFIG)
    attachment = lab.plan(driver, lab.new_netns(), OPTIONS, device=device)
    with pytest.raises(Interrupt):
        driver.attach(attachment, lab.call(Interrupt.before_move()))
    ids = switch.rows()["Port"]["rep0"]["external_ids"]
    assert (ids["secnet-type"], ids["secnet-network"]) == ("sriov", "default/fast")
    shutil.rmtree(lab.folder / "state")
    (found,) = driver.inventory(lab.call()).owned
    driver.detach(found.attachment, lab.call())
    assert "rep0" not in switch.rows()["Port"]
    assert driver.inventory(lab.call()).owned == ()


def test_our_own_half_attach_without_a_record_is_restored(
    offloading: Lab, ovs: OvsFactory, node_netns: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    """Planned again, the same interface finds its own settings, those of the representor too: none is one to restore."""
    lab, switch, device = offloading, ovs(node_netns), DeviceRef(id=SF)
    switch.vsctl("add-br", "br-off", "--", "set", "bridge", "br-off", "datapath_type=netdev")
    driver, pod = lab.driver(ovsdb=switch.target, config=CONFIG), lab.new_netns()
    with pytest.raises(Interrupt):
        driver.attach(lab.plan(driver, pod, OPTIONS, device=device), lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    again = lab.plan(driver, pod, OPTIONS, device=device)
    assert dict(again.prior) == {}
    run_in(None, ["ip", "link", "set", "sf0", "up"])  # as the host's network manager does
    with caplog.at_level("WARNING"):
        driver.detach(again, lab.call())
    assert "is restored with VLAN 0, spoofchk on and trust off" in caplog.text
    assert "rep0" not in switch.rows()["Port"]
    link = lab.host_link("sf0")
    assert link is not None
    assert link.alias == ""


def test_without_open_vswitch_a_mark_alone_is_restored(offloading: Lab) -> None:
    lab, device = offloading, DeviceRef(id=SF)
    driver = lab.driver(ovsdb=NOWHERE, config=CONFIG)
    attachment = lab.plan(driver, lab.new_netns(), {}, device=device)
    with pytest.raises(Interrupt):
        driver.attach(attachment, lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    (found,) = driver.inventory(lab.call()).owned
    driver.detach(found.attachment, lab.call())
    link = lab.host_link("sf0")
    assert link is not None
    assert link.alias == ""
    with pytest.raises(Unavailable):  # what a network asks for is another matter
        lab.plan(driver, lab.new_netns(), OPTIONS, device=device)


def test_an_mtu_that_the_representor_refuses_keeps_no_device(
    offloading: Lab, ovs: OvsFactory, node_netns: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    lab, switch, device = offloading, ovs(node_netns), DeviceRef(id=SF)
    switch.vsctl("add-br", "br-off", "--", "set", "bridge", "br-off", "datapath_type=netdev")
    driver = lab.driver(ovsdb=switch.target, config=CONFIG)
    attachment, _, _ = lab.attach(driver, lab.new_netns(), OPTIONS, device=device)
    before = attachment.prior["representor"]
    # As much too large as the old one is once the physical function's was lowered.
    edit_prior(lab, representor={**before, "mtu": 70000, "up": False})
    driver.detach(attachment, lab.call())
    assert "the representor rep0 keeps the MTU 1500 instead of 70000" in caplog.text
    link = lab.host_link("rep0")
    assert link is not None
    assert not link.up
    assert driver.inventory(lab.call()).owned == ()


def test_a_half_attach_of_which_only_the_representor_is_known_is_restored(
    offloading: Lab, ovs: OvsFactory, node_netns: Namespace
) -> None:
    """The saved state was lost in between, and something on the host brought the link up."""
    lab, switch, device = offloading, ovs(node_netns), DeviceRef(id=SF)
    switch.vsctl("add-br", "br-off", "--", "set", "bridge", "br-off", "datapath_type=netdev")
    driver, pod = lab.driver(ovsdb=switch.target, config=CONFIG), lab.new_netns()
    with pytest.raises(Interrupt):
        driver.attach(lab.plan(driver, pod, OPTIONS, device=device), lab.call(Interrupt.before_move()))
    shutil.rmtree(lab.folder / "state")
    again = lab.plan(driver, pod, OPTIONS, device=device)
    assert "name" not in again.prior
    run_in(None, ["ip", "link", "set", "sf0", "up"])
    driver.detach(again, lab.call())
    link = lab.host_link("sf0")
    assert link is not None
    assert (link.alias, link.up) == ("", False)
