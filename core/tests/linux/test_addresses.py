"""Addresses on a real kernel."""

from __future__ import annotations

import pytest
from secnet.contract import InvalidConfig, NotReady, Unsupported
from secnet.linux import sysctl
from secnet.linux.rtnl import Address
from secnet_testing.netns import run_in

from .conftest import POD_END, Wire

pytestmark = pytest.mark.kernel


def by_hand(wire: Wire) -> dict[str, Address]:
    """The Pod's addresses without the link-local one, which the kernel makes in its own time."""
    return {found.cidr: found for found in wire.pod.addresses(wire.inner) if not found.cidr.startswith("fe80:")}


def test_both_families_are_added_and_read_back(wire: Wire) -> None:
    wire.pod.add_address(wire.inner, "10.1.2.3/24")
    wire.pod.add_address(wire.inner, "FD00:0:0::5/64")
    assert set(by_hand(wire)) == {"10.1.2.3/24", "fd00::5/64"}
    shown = run_in(wire.pod_ns, ["ip", "-o", "address", "show", "dev", POD_END])
    assert "inet 10.1.2.3/24 scope global eth1" in shown
    assert "inet6 fd00::5/64 scope global nodad" in shown


def test_adding_again_changes_nothing(wire: Wire) -> None:
    for cidr in ("10.1.2.3/24", "fd00::5/64"):
        wire.pod.add_address(wire.inner, cidr)
        before = by_hand(wire)
        wire.pod.add_address(wire.inner, cidr)
        assert by_hand(wire) == before


def test_an_address_without_detection_is_usable_at_once(wire: Wire) -> None:
    wire.up()
    wire.pod.add_address(wire.inner, "fd00::5/64")
    wire.pod.add_address(wire.inner, "fd00::6/64", nodad=False)
    found = by_hand(wire)
    assert not found["fd00::5/64"].tentative
    assert found["fd00::6/64"].tentative


def test_an_optimistic_address_is_detected_but_usable(wire: Wire) -> None:
    """The kernel shows an optimistic address as tentative; iproute2 names the difference."""
    sysctl.write_in(wire.fd, f"ipv6/conf/{POD_END}/optimistic_dad", "1")
    wire.up()
    wire.pod.add_address(wire.inner, "fd00::6/64", nodad=False, optimistic=True)
    shown = run_in(wire.pod_ns, ["ip", "-o", "-6", "address", "show", "dev", POD_END])
    assert "optimistic" in next(line for line in shown.splitlines() if "fd00::6" in line)


def test_addresses_of_one_link_or_all(wire: Wire) -> None:
    wire.pod.add_address(wire.inner, "10.1.2.3/24")
    assert [found.cidr for found in wire.pod.addresses(wire.inner)] == ["10.1.2.3/24"]
    assert {"127.0.0.1/8", "10.1.2.3/24", "::1/128"} <= {found.cidr for found in wire.pod.addresses()}


@pytest.mark.parametrize("cidr", ["10.1.2.300/24", "10.1.2.3/33", "", "fd00::/200", "web"])
def test_what_is_no_address_is_refused(wire: Wire, cidr: str) -> None:
    with pytest.raises(InvalidConfig, match="is not an address with a prefix"):
        wire.pod.add_address(wire.inner, cidr)


def test_a_missing_link_is_not_ready(wire: Wire) -> None:
    with pytest.raises(NotReady, match=r"adding the address 10.1.2.3/24 to a link that is gone"):
        wire.pod.add_address(9999, "10.1.2.3/24")


def test_ipv6_switched_off_is_named(wire: Wire) -> None:
    sysctl.write_in(wire.fd, f"ipv6/conf/{POD_END}/disable_ipv6", "1")
    with pytest.raises(Unsupported, match="IPv6 is switched off") as caught:
        wire.pod.add_address(wire.inner, "fd00::5/64")
    assert "disable_ipv6" in caught.value.hint
    wire.pod.add_address(wire.inner, "10.1.2.3/24")  # IPv4 is unharmed
