"""What a check takes for drift, and which link it takes for the device's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from secnet.linux.rtnl import Link, Rtnl, host_rtnl
from secnet_sriov.card import Card
from secnet_sriov.mark import mark_of
from secnet_sriov.netdev import in_pod
from secnet_testing.netns import run_in

from .conftest import MAC, OTHER_VF, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

NEW_MAC = "02:aa:bb:cc:dd:01"
OF_THE_POD = "02:99:99:99:99:99"


@pytest.mark.parametrize("admin", [OF_THE_POD, NEW_MAC], ids=["card reports the link's MAC", "card keeps its word"])
@pytest.mark.parametrize(("kept", "options"), [(False, {"trust": "on"}), (True, {})], ids=["asked for", "kept"])
def test_a_trusted_pod_keeps_a_mac_of_its_own(lab: Lab, kept: bool, options: Mapping[str, Any], admin: str) -> None:
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "trust": kept}})
    before, driver, pod = lab.kept(), lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, options, mac=NEW_MAC)
    run_in(pod, ["ip", "link", "set", "net1", "address", OF_THE_POD])
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "mac": admin}})
    assert driver.check(attachment, lab.call()).findings == ()
    assert [item.complete for item in driver.inventory(lab.call()).owned] == [True]
    assert driver.attach(attachment, lab.call()).mac == OF_THE_POD, "an attach that is repeated makes nothing again"
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert link is not None
    assert (link.mac, lab.kept()) == (MAC, before)


def test_the_mac_of_a_pod_that_is_not_trusted_is_drift(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, {"trust": "off"}, mac=NEW_MAC)
    run_in(pod, ["ip", "link", "set", "net1", "address", OF_THE_POD])
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "mac": OF_THE_POD}})
    found = driver.check(attachment, lab.call()).findings
    assert [(item.code, item.repairable) for item in found] == [("WrongMac", True), ("WrongAttribute", True)]


def test_a_link_that_a_pod_made_is_not_the_device_whatever_its_mark(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod)
    device = lab.pod_link(pod)
    assert device is not None
    run_in(pod, ["ip", "link", "set", "net1", "name", "mine"])
    run_in(pod, ["ip", "link", "add", "net1", "type", "veth", "peer", "name", "other"])
    run_in(pod, ["ip", "link", "set", "net1", "alias", device.alias])
    assert driver.check(attachment, lab.call()).in_use == "renamed to mine in the Pod"
    driver.detach(attachment, lab.call())
    assert lab.pod_link(pod, "mine") is None
    assert lab.pod_link(pod, "net1") is not None, "it stays where it was made"
    link = lab.host_link()
    assert link is not None
    assert (link.mac, link.alias) == (MAC, "port")


class _OldKernel(Card):
    """A card's links before Linux 5.14: a mock, as today's kernel has no link that may be a card's and names no device."""

    def is_of(self, link: Link, device: str) -> bool:
        return False


class _Links:
    """A mock of what such a kernel lists."""

    def __init__(self, *links: Link) -> None:
        self._links = links

    def link(self, name: str) -> Link | None:
        return next((link for link in self._links if link.name == name), None)

    def links(self) -> tuple[Link, ...]:
        return self._links


def test_a_mark_counts_where_the_kernel_names_no_device(lab: Lab) -> None:
    """Only on a link that may be a card's: what a Pod can mark itself has a kind, or is the loopback, or another's device."""
    attachment = lab.plan(lab.driver(), lab.new_netns())
    mark = mark_of("secnet", attachment.request)
    with host_rtnl() as kernel:
        made, loopback = kernel.link("vf0"), kernel.link("lo")
    assert made is not None
    assert loopback is not None
    real = dataclasses.replace(made, name="real", kind="", alias=mark)
    others = (
        dataclasses.replace(made, name="net1", alias=mark),
        dataclasses.replace(loopback, alias=mark),
        dataclasses.replace(real, name="other", parent_device=OTHER_VF),
    )
    card = _OldKernel(lab.tree.root)
    assert in_pod(card, cast(Rtnl, _Links(*others, real)), attachment, "secnet") == real
    assert in_pod(card, cast(Rtnl, _Links(*others)), attachment, "secnet") is None
