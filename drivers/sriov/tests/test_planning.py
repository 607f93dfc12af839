"""What makes a device no device for a Pod."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from secnet.contract import Conflict
from secnet_testing.netns import Namespace, run_in

from .conftest import VF
from .test_holding import Interrupt

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

UP = "link set vf0 up"


@pytest.mark.parametrize(
    ("commands", "message", "remedy"),
    [
        (["link add sn0 type bridge", "link set vf0 master sn0"], "is a port of another", "out of the bridge"),
        (["link add sn0 link vf0 type macvlan"], "carries sn0", "remove sn0"),
        (["address add 192.0.2.7/24 dev vf0"], r"has the address 192\.0\.2\.7/24", "ip address flush dev vf0"),
        (["address add 192.0.2.7/24 dev vf0 valid_lft 60 preferred_lft 60"], "has the address", "address flush"),
        ([UP, "address add 2001:db8::7/64 dev vf0 nodad"], "has the address 2001:db8::7/64", "address flush"),
        ([UP, "route add default dev vf0"], "has the only default route", "another one"),
        ([UP, "-6 route add default dev vf0"], "has the only default route", "another one"),
    ],
)
def test_a_device_that_the_host_uses_is_a_conflict(
    lab: Lab, commands: Sequence[str], message: str, remedy: str
) -> None:
    for command in commands:
        run_in(None, ["ip", *command.split()])
    before = (lab.host_link(), lab.kept())
    with pytest.raises(Conflict, match=f"vf0 {message}") as raised:
        lab.plan(lab.driver(), lab.new_netns())
    assert raised.value.subject == f"device {VF}"
    assert remedy in raised.value.hint
    assert "device plugin" in raised.value.hint
    assert (lab.host_link(), lab.kept()) == before


def test_what_the_kernel_gives_any_link_is_no_use(lab: Lab) -> None:
    """A link-local address, and what it makes of a router's advertisement while the host has another way out."""
    for command in (
        UP,
        "link set vf1 up",
        "address add fe80::7/64 dev vf0 nodad",
        "address add 169.254.0.7/16 dev vf0 scope link",
        "address add 2001:db8::7/64 dev vf0 nodad valid_lft 60 preferred_lft 60",
        "-6 route add default dev vf0 metric 1024",
        "-6 route add default dev vf1 metric 2048",
    ):
        run_in(None, ["ip", *command.split()])
    lab.attach(lab.driver(), lab.new_netns())


def test_a_link_on_a_device_of_the_same_index_in_another_namespace_is_none_on_ours(
    lab: Lab, node_netns: Namespace
) -> None:
    link, other = lab.host_link(), lab.new_netns()
    assert link is not None
    run_in(other, ["ip", "link", "add", "sn0", "index", str(link.index), "type", "bridge"])
    run_in(other, ["ip", "link", "add", "sn1", "link", "sn0", "type", "macvlan"])
    run_in(other, ["ip", "link", "set", "sn1", "netns", node_netns.name])
    found = lab.host_link("sn1")
    assert found is not None
    assert found.lower == link.index
    lab.plan(lab.driver(), lab.new_netns())


@pytest.mark.parametrize("lost", [False, True], ids=["held", "marked"])
def test_what_an_attach_of_ours_left_is_no_use_of_the_host(lab: Lab, lost: bool) -> None:
    """It was unused when it was taken. What a DHCP client of the host gave it since goes with the link's next move."""
    driver, pod = lab.driver(), lab.new_netns()
    attachment = lab.plan(driver, pod)
    with pytest.raises(Interrupt):
        driver.attach(attachment, lab.call(Interrupt.before_move()))
    if lost:
        shutil.rmtree(lab.folder / "state" / "sriov")
    run_in(None, ["ip", "address", "add", "192.0.2.7/24", "dev", "vf0"])
    driver.attach(lab.plan(driver, pod), lab.call())
    assert lab.pod_link(pod) is not None
