"""Reading and validating IPPools."""

from __future__ import annotations

from typing import Any

import pytest
from ipam_testing.pools import HOST, entry, pool
from secnet.contract import InvalidConfig
from secnet_ipam import AntreaBackend, validate_pool
from secnet_ipam.pool import read_pool

GOOD = pool("p", ["10.0.0.0/25", "10.0.0.200-10.0.0.210"], "10.0.0.1", 24, vlan=100)


def paths(obj: dict[str, Any]) -> list[str]:
    return [finding.path for finding in validate_pool(obj)]


def with_info(**info: Any) -> dict[str, Any]:
    spec = GOOD["spec"]
    return GOOD | {"spec": spec | {"subnetInfo": spec["subnetInfo"] | info}}


def with_ranges(*ranges: Any) -> dict[str, Any]:
    return GOOD | {"spec": GOOD["spec"] | {"ipRanges": list(ranges)}}


def test_a_good_pool_has_no_findings() -> None:
    assert paths(GOOD) == []
    assert paths(pool("p", "10:2400:1::0/96", "10:2400:1::1", 64)) == []


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        ({}, "$.metadata.name"),
        (GOOD | {"metadata": {}}, "$.metadata.name"),
        (GOOD | {"apiVersion": "crd.antrea.io/v1alpha2"}, "$.apiVersion"),
        (GOOD | {"spec": None}, "$.spec"),
        (GOOD | {"spec": {"ipRanges": [{"cidr": "10.0.0.0/24"}]}}, "$.spec.subnetInfo"),
        (GOOD | {"spec": GOOD["spec"] | {"subnetInfo": {}}}, "$.spec.subnetInfo.gateway"),
        (with_info(gateway="10.0.0.1/24"), "$.spec.subnetInfo.gateway"),
        (with_info(gateway="10.0.0.01"), "$.spec.subnetInfo.gateway"),
        (with_info(gateway=None), "$.spec.subnetInfo.gateway"),
        (with_info(prefixLength=32), "$.spec.subnetInfo.prefixLength"),
        (with_info(prefixLength=0), "$.spec.subnetInfo.prefixLength"),
        (with_info(prefixLength="24"), "$.spec.subnetInfo.prefixLength"),
        (with_info(prefixLength=True), "$.spec.subnetInfo.prefixLength"),
        (with_info(gateway="2001:db8::1", prefixLength=128), "$.spec.subnetInfo.prefixLength"),
        (with_info(vlan=4095), "$.spec.subnetInfo.vlan"),
        (with_info(vlan="100"), "$.spec.subnetInfo.vlan"),
        (with_info(vlanID=5), "$.spec.subnetInfo.vlanID"),
        (with_ranges(), "$.spec.ipRanges"),
        (with_ranges("10.0.0.0/25"), "$.spec.ipRanges[0]"),
        (with_ranges({}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0/255.255.255.0"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0/33"}), "$.spec.ipRanges[0]"),
        (with_ranges({"start": "10.0.0.5"}), "$.spec.ipRanges[0]"),
        (with_ranges({"start": "10.0.0.5", "end": "10.0.0.4"}), "$.spec.ipRanges[0]"),
        (with_ranges({"start": "10.0.0.5", "end": "2001:db8::1"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0/25", "start": "10.0.0.5", "end": "10.0.0.6"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.1.0/25"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0/23"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "2001:db8::/64"}), "$.spec.ipRanges[0]"),
        (with_ranges({"cidr": "10.0.0.0/25"}, {"start": "10.0.0.127", "end": "10.0.0.130"}), "$.spec.ipRanges[1]"),
        (with_ranges({"cidr": "10.0.0.0/25", "comment": "x"}), "$.spec.ipRanges[0].comment"),
        (with_ranges({"start": "10.0.0.0", "end": "10.0.0.1"}), "$.spec.ipRanges"),
        (GOOD | {"status": {"ipAddresses": [entry("10.0.0.5"), entry("10.0.0.150")]}}, "$.status.ipAddresses[1]"),
    ],
)
def test_what_is_wrong_is_found_at_its_path(obj: dict[str, Any], path: str) -> None:
    findings = {finding.path: finding for finding in validate_pool(obj)}
    assert path in findings
    assert findings[path].message
    assert findings[path].hint


def test_all_findings_are_reported_not_only_the_first() -> None:
    broken = with_info(gateway="x", vlan=5000)
    broken["spec"]["ipRanges"] = [{"cidr": "y"}, {"start": "10.0.0.9", "end": "10.0.0.8"}]
    assert paths(broken) == [
        "$.spec.subnetInfo.vlan",
        "$.spec.subnetInfo.gateway",
        "$.spec.ipRanges[0]",
        "$.spec.ipRanges[1]",
    ]


def test_a_key_without_effect_and_a_bad_entry_do_not_keep_a_pool_from_being_used() -> None:
    assert read_pool(with_info(vlanID=5)).name == "p"
    assert all(not finding.fatal for finding in validate_pool(with_info(vlanID=5)))


def test_reading_a_live_pool_raises_the_first_finding() -> None:
    with pytest.raises(InvalidConfig, match=r"IPPool p: \$\.spec\.subnetInfo\.vlan: 5000 is not a VLAN id; use 1"):
        read_pool(with_info(vlan=5000))


def test_host_bits_of_a_cidr_are_cut_as_antrea_does() -> None:
    assert read_pool(pool("p", "10.0.0.77/26", "10.0.0.1", 24)).spans == ((10 << 24 | 64, 10 << 24 | 127),)


def names(objects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(obj["metadata"]["name"], path) for obj, path, _, _ in AntreaBackend.validate_objects(objects)]


def test_pools_of_one_vlan_that_overlap_are_found_and_other_kinds_are_left_alone() -> None:
    objects = [
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}},
        {
            "kind": "IPPool",
            "apiVersion": "crd.projectcalico.org/v1",
            "metadata": {"name": "calico"},
            "spec": {"cidr": "x"},
        },
        pool("a", "10.0.0.0/25", "10.0.0.1", 24, vlan=100),
        pool("b", ["10.0.0.200-10.0.0.210", "10.0.0.100-10.0.0.150"], "10.0.0.1", 24, vlan=100),
        pool("c", "10.0.0.0/24", "10.0.0.1", 24, vlan=200),
        pool("d", "10.0.0.0/24", "10.0.0.1", 24),
        pool("e", "10.0.0.9-10.0.0.9", "10.0.0.1", 24),
        with_info(vlan=5000),
    ]
    assert names(objects) == [
        ("p", "$.spec.subnetInfo.vlan"),
        ("b", "$.spec.ipRanges[1]"),
        ("e", "$.spec.ipRanges[0]"),
    ]
    (_, _, certain, _), (_, _, possible, hint) = list(AntreaBackend.validate_objects(objects))[1:]
    assert certain == "10.0.0.100 to 10.0.0.127 is also in IPPool a of VLAN 100"
    assert possible == "10.0.0.9 to 10.0.0.9 is also in IPPool d that has no VLAN either"
    assert "set vlan in both pools" in hint


def test_several_documents_of_one_pool_do_not_overlap_with_themselves() -> None:
    assert names([GOOD, GOOD]) == []


def test_what_leases_look_like() -> None:
    """The pools that the network lists and that are there; what is not there or wrong says nothing."""
    backend = AntreaBackend(HOST)
    objects = [
        pool("a", "10.0.0.128/25", "10.0.0.1", 24),
        pool("b", "10.9.0.0/24", "10.9.0.1", 24),
        with_info(vlan=5000),
    ]
    config = {
        "ippools": ["a", "p", "none"],
        "addresses": [{"address": "fd00::5/64"}],
        "routes": [{"dst": "10.7.0.0/16"}],
    }
    outline = backend.outline(config, objects)
    assert outline.subnets == ("10.0.0.0/24", "fd00::/64")
    assert [route.dst for route in outline.routes] == ["10.7.0.0/16"]
