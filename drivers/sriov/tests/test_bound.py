"""A device whose link a virtual machine's launcher has put into a bridge in the Pod: found by its address, left alone, and
brought home from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from secnet_testing.bridge_binding import CURRENT, BridgeBinding
from secnet_testing.netns import Namespace, run_in

from .conftest import MAC, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel


def bind(pod: Namespace, steps: tuple[str, ...] = CURRENT) -> BridgeBinding:
    """What the launcher does with net1."""
    binding = BridgeBinding(netns=pod, ifname="net1")
    binding.prepare()
    binding.bind(steps)
    return binding


RENAMED = CURRENT[: CURRENT.index("rename") + 1]
USES = {
    "bound": (CURRENT, "in use by the bridge k6t-net1 in the Pod, as net1-nic"),
    "without stand-in": (CURRENT[:-1], "in use by the bridge k6t-net1 in the Pod, as net1-nic"),
    "renamed": (RENAMED, "renamed to net1-nic in the Pod"),
}


@pytest.mark.parametrize(("steps", "use"), USES.values(), ids=list(USES))
def test_a_device_in_use_in_the_pod_has_not_drifted(lab: Lab, steps: tuple[str, ...], use: str) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod)
    bind(pod, steps)
    report = driver.check(attachment, lab.call())
    assert report.findings == ()
    assert report.in_use == use
    assert [item.complete for item in driver.inventory(lab.call()).owned] == [True]


def test_what_the_card_keeps_is_repaired_under_a_guest(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    attachment, made, _ = lab.attach(driver, pod, {"vlan": 100, "spoofchk": "off"})
    binding = bind(pod)
    before, kept = binding.link(binding.nic), lab.kept()
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**kept, "vlan": 99, "spoofchk": True}})
    assert [item.code for item in driver.check(attachment, lab.call()).findings] == ["WrongVlan", "WrongAttribute"]
    again = driver.attach(attachment, lab.call())
    assert (again.details, again.mtu) == (made.details, made.mtu)
    assert (binding.link(binding.nic), lab.kept()) == (before, kept)
    assert driver.check(attachment, lab.call()).findings == ()


def test_what_the_pod_did_to_its_link_stays_when_the_hosts_side_is_repaired(lab: Lab) -> None:
    """As of a network whose Pod side is not checked."""
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, {"vlan": 100})
    run_in(pod, ["ip", "link", "set", "net1", "mtu", "1300"])
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "vlan": 99}})
    driver.attach(attachment, lab.call())
    found = driver.check(attachment, lab.call()).findings
    assert [(item.code, item.in_pod) for item in found] == [("WrongMtu", True)]


def test_a_detach_brings_the_device_home_from_the_bridge(lab: Lab) -> None:
    before, was = lab.kept(), lab.host_link()
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, {"vlan": 100}, mtu=1400)
    binding = bind(pod)
    driver.detach(attachment, lab.call())
    link = lab.host_link()
    assert was is not None
    assert link is not None
    shown = ("name", "mac", "mtu", "alias", "up", "master")
    assert [getattr(link, name) for name in shown] == [getattr(was, name) for name in shown]
    assert (link.mac, lab.kept()) == (MAC, before)
    assert binding.link(binding.nic) == {}
    assert binding.link(binding.bridge)
    assert binding.link("net1")["linkinfo"]["info_kind"] == "bridge", "the stand-in is the launcher's"
    driver.detach(attachment, lab.call())
