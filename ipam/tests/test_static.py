"""The static backend."""

from __future__ import annotations

import pytest
from ipam_testing.pools import HOST, call, request
from secnet.contract import InvalidConfig
from secnet_ipam import StaticBackend

STATIC = StaticBackend(HOST)
OWN = {"addresses": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}], "routes": [{"dst": "192.168.0.0/16"}]}


def test_the_pods_addresses_stand_in_place_of_the_nads() -> None:
    lease = STATIC.allocate(request("c1", ips=["10.0.0.9/24", "2001:db8::9/64"], **OWN), call())
    assert [item.address for item in lease.addresses] == ["10.0.0.9/24", "2001:db8::9/64"]
    assert lease.routes


@pytest.mark.parametrize("text", ["10.0.0.9", "10.0.0.0/24", "x/24"])
def test_a_requested_address_must_be_a_hosts_and_carry_its_prefix(text: str) -> None:
    with pytest.raises(InvalidConfig, match="Pod default/pod-c1 interface eth1: ips: requested address"):
        STATIC.allocate(request("c1", ips=[text], **OWN), call())


def test_an_address_requested_twice_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="requested twice"):
        STATIC.allocate(request("c1", ips=["2001:db8::9/64", "2001:db8:0::9/64"]), call())


def test_no_address_at_all_is_valid_for_the_nad_but_not_for_a_pod_without_its_own() -> None:
    STATIC.validate({})
    assert STATIC.allocate(request("c1", ips=["10.0.0.9/24"]), call()).addresses
    with pytest.raises(InvalidConfig, match=r"default/net: \$\.ipam\.addresses: no address"):
        STATIC.allocate(request("c1"), call())


def test_it_needs_nothing_and_records_nothing() -> None:
    assert STATIC.probe().ready
    assert STATIC.inventory(call()) == ()
    assert not STATIC.describe().allocates
    assert STATIC.describe().kinds == ()


def test_what_leases_look_like() -> None:
    outline = STATIC.outline(OWN, [])
    assert (outline.subnets, [route.dst for route in outline.routes]) == (("10.0.0.0/24",), ["192.168.0.0/16"])
    assert STATIC.outline({}, []).subnets == ()
