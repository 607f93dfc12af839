"""Results as each version of CNI has them."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.cni._result import full_result, passed_through
from secnet.agent.cni.interface import Attached, attached
from secnet.contract import Dns, HostInterface, LeaseAddress, Route
from secnet_testing.contract_objects import record

MADE = Attached(
    ifname="net1",
    mac="02:00:00:00:00:01",
    mtu=1400,
    host_interfaces=(HostInterface(name="sn0", mac="02:00:00:00:00:02", mtu=1400), HostInterface(name="sn1")),
    addresses=(LeaseAddress(address="10.0.0.5/24", gateway="10.0.0.1"), LeaseAddress(address="2001:db8::5/64")),
    routes=(Route(dst="10.1.0.0/16", gw="10.0.0.1", priority=5), Route(dst="0.0.0.0/0", gw="10.0.0.1", table=100)),
    dns=Dns(nameservers=("10.0.0.2",), search=("example.org",)),
    device_info={"type": "pci", "pci": {"pci-address": "0000:03:00.1"}},
)


def test_version_1_1_tells_all() -> None:
    assert full_result("1.1.0", MADE, "/run/netns/x") == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {
                "name": "net1",
                "mac": "02:00:00:00:00:01",
                "sandbox": "/run/netns/x",
                "mtu": 1400,
                "pciID": "0000:03:00.1",
            },
            {"name": "sn0", "mac": "02:00:00:00:00:02", "mtu": 1400},
            {"name": "sn1", "mac": ""},
        ],
        "ips": [
            {"address": "10.0.0.5/24", "interface": 0, "gateway": "10.0.0.1"},
            {"address": "2001:db8::5/64", "interface": 0},
        ],
        "routes": [
            {"dst": "10.1.0.0/16", "gw": "10.0.0.1", "priority": 5},
            {"dst": "0.0.0.0/0", "gw": "10.0.0.1", "table": 100},
        ],
        "dns": {"nameservers": ["10.0.0.2"], "search": ["example.org"]},
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0"])
def test_older_versions_have_what_they_know(version: str) -> None:
    result = full_result(version, MADE, "/run/netns/x")
    assert result["cniVersion"] == version
    assert result["interfaces"][0] == {"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}
    assert result["routes"] == [{"dst": "10.1.0.0/16", "gw": "10.0.0.1"}]
    families: list[Any] = [item.get("version") for item in result["ips"]]
    assert families == ([None, None] if version == "1.0.0" else ["4", "6"])


def test_an_interface_without_addresses_has_no_list_of_them() -> None:
    assert full_result("1.0.0", Attached(ifname="net1"), "/n") == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "net1", "mac": "", "sandbox": "/n"}],
        "dns": {},
    }


def test_a_previous_result_is_passed_through_in_the_requests_version() -> None:
    previous = {"cniVersion": "0.4.0", "interfaces": ({"name": "eth0"},), "unknown": {"a": 1}}
    assert passed_through("1.0.0", previous) == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0"}],
        "unknown": {"a": 1},
    }
    assert passed_through("1.0.0", None) == {"cniVersion": "1.0.0"}


def test_a_record_tells_what_was_attached() -> None:
    made = attached(record("net1", addresses=("10.0.0.5/24",)))
    assert (made.ifname, made.mac, made.mtu) == ("net1", "02:00:00:00:00:01", 1500)
    assert made.addresses == (LeaseAddress(address="10.0.0.5/24"),)
