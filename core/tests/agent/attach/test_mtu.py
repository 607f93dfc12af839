"""The MTU that IPv6 needs."""

from __future__ import annotations

import dataclasses

import pytest
from secnet.agent.attach.mtu import require_mtu
from secnet.contract import InvalidConfig
from secnet_testing.netns import run_in

from .conftest import LAYER3, Pod, applied

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("mtu", [None, 1280, 1500])
def test_what_is_enough_or_not_known(pod: Pod, mtu: int | None) -> None:
    require_mtu(pod.attachment("fd00::2/64"), mtu)


def test_ipv4_needs_less(pod: Pod) -> None:
    require_mtu(pod.attachment("10.0.0.2/24"), 68)


def test_the_mtu_of_the_nad(pod: Pod) -> None:
    attachment = pod.attachment("10.0.0.2/24", "fd00::2/64")
    attachment = dataclasses.replace(attachment, request=dataclasses.replace(attachment.request, mtu=1200))
    with pytest.raises(InvalidConfig, match="1200 is too small for the address fd00::2/64: IPv6 needs 1280") as caught:
        require_mtu(attachment, 1200)
    assert (caught.value.subject, caught.value.path) == ("NetworkAttachmentDefinition default/blue", "$.mtu")
    assert caught.value.hint == "set mtu to 1280 or more, or give the network no IPv6 addresses"


def test_the_mtu_of_the_node(pod: Pod) -> None:
    with pytest.raises(InvalidConfig, match="1279 is too small") as caught:
        require_mtu(pod.attachment("fd00::2/64"), 1279)
    assert "defaultMtu in the node configuration" in caught.value.hint
    assert caught.value.path == ""


def test_an_interface_that_is_smaller_than_its_plan(pod: Pod) -> None:
    """A driver that names no MTU, or an address that comes after the link: the kernel has no IPv6 on it then."""
    run_in(pod.ns, ["ip", "link", "set", "eth1", "mtu", "1000"])
    with pytest.raises(InvalidConfig, match="1000 is too small for the address fd00::2/64"):
        applied(pod.record(pod.attachment("fd00::2/64")))
    assert LAYER3.prior(pod.record(pod.attachment("10.0.0.2/24"))) == {}
    applied(pod.record(pod.attachment("10.0.0.2/24")))
