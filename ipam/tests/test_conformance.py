"""The conformance kit over our backends, by the same case files that a third party writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secnet.contract import ADDRESS_OF_ANOTHER, IpamLease
from secnet_conformance import BackendCase, BackendSuite, Bad, Breakage, Host
from secnet_ipam import AntreaBackend, StaticBackend

GOLDEN = Path(__file__).with_name("golden")


def pool(name: str, cidr: str, gateway: str, prefix_length: int, vlan: int = 0) -> dict[str, Any]:
    """An IPPool of one range."""
    first, _, last = cidr.partition("-")
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {
            "ipRanges": [{"start": first, "end": last} if last else {"cidr": cidr}],
            "subnetInfo": {"gateway": gateway, "prefixLength": prefix_length} | ({"vlan": vlan} if vlan else {}),
        },
    }


def write_entries(host: Host, name: str, change: Any) -> None:
    """Change the entries of a pool behind the backend's back."""
    found = host.objects.get("IPPool", name)
    found["status"]["ipAddresses"] = change(found["status"]["ipAddresses"])
    host.objects.update_status(found)


def forget_entries(host: Host, lease: IpamLease) -> None:
    """Somebody clears a pool's status."""
    write_entries(host, "v4", lambda entries: [])


def give_to_a_thief(host: Host, lease: IpamLease) -> None:
    """Somebody writes another owner into the entries."""

    def stolen(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        pod = {"name": "thief", "namespace": "default", "containerID": "thief", "ifName": "eth1"}
        return [entry | {"owner": {"pod": pod}} for entry in entries]

    write_entries(host, "v4", stolen)


def remove_pool(host: Host, lease: IpamLease) -> None:
    """Somebody removes a pool although it is in use."""
    host.objects.delete("IPPool", "v6")
    write_entries(host, "v6", lambda entries: [])


class TestAntrea(BackendSuite):
    class case(BackendCase):
        backend = AntreaBackend
        golden = GOLDEN
        objects = (
            pool("v4", "10.0.0.0/24", "10.0.0.1", 24, vlan=7),
            pool("v6", "2001:db8::/64", "2001:db8::1", 64),
            # Overlaps with the first, so that the second look after each write takes part.
            pool("more", "10.0.0.0/25", "10.0.0.1", 24),
            pool("tiny", "10.1.0.2-10.1.0.4", "10.1.0.1", 24),
        )
        good = (
            {
                "ippools": ["v4", "v6", "more"],
                "routes": [{"dst": "192.168.0.0/16"}],
                "dns": {"nameservers": ["10.0.0.53"]},
            },
            {"ippools": ["v4"]},
            {"ippools": ["v6"], "addresses": [{"address": "172.16.0.5/24", "gateway": "172.16.0.1"}]},
        )
        small = ({"ippools": ["tiny"]}, 3)
        ips = ("10.0.0.77", "2001:db8::77/64")
        bad = (
            Bad({"ippools": "v4"}, reason="InvalidConfig", match="list"),
            Bad({"pools": ["v4"]}, reason="InvalidConfig", match="unknown key"),
            Bad({}, reason="InvalidConfig", match="no address"),
            Bad({"addresses": [{"address": "10.0.0.300/24"}]}, reason="InvalidConfig", match="addresses[0]"),
            Bad({"ippools": ["none"]}, reason="ObjectNotFound", match="$.ipam.ippools[0]"),
            Bad({"ippools": ["v4", "none"]}, reason="ObjectNotFound", match="IPPool none"),
            Bad({"ippools": ["v4"]}, reason="Conflict", request={"ips": ("10.99.0.1",)}),
            Bad({"ippools": ["v4"]}, reason="InvalidConfig", request={"ips": ("10.0.0.5/16",)}, match="prefix length"),
            Bad({"ippools": ["v4"]}, reason="InvalidConfig", request={"ips": ("x",)}),
            Bad({"ippools": ["v4"]}, reason="Unsupported", request={"ips": ("10.0.0.5", "10.0.0.6")}),
        )
        breakages = (
            Breakage("entries forgotten", forget_entries, code="AddressNotListed"),
            Breakage("address of another", give_to_a_thief, code=ADDRESS_OF_ANOTHER),
            Breakage("pool removed", remove_pool, code="PoolGone"),
        )

        def inside(self, host: Host, lease: IpamLease) -> None:
            given = {item.pool: (item.address, item.gateway) for item in lease.addresses}
            assert given == {
                "v4": ("10.0.0.2/24", "10.0.0.1"),
                "v6": ("2001:db8::2/64", "2001:db8::1"),
                "more": ("10.0.0.3/24", "10.0.0.1"),
            }
            assert lease.vlans == (7,)
            assert [(route.dst, route.gw) for route in lease.routes] == [("192.168.0.0/16", None)]
            assert lease.dns.nameservers == ("10.0.0.53",)


class TestStatic(BackendSuite):
    class case(BackendCase):
        backend = StaticBackend
        golden = GOLDEN
        good = (
            {
                "addresses": [
                    {"address": "10.0.0.5/24", "gateway": "10.0.0.1"},
                    {"address": "2001:db8::5/64", "gateway": "2001:db8::1"},
                ],
                "routes": [{"dst": "192.168.0.0/16", "gw": "10.0.0.254"}],
            },
            {"addresses": [{"address": "10.0.0.6/32"}], "dns": {"search": ["example.com"]}},
        )
        ips = ("10.0.0.9/24", "2001:db8::9/64")
        bad = (
            Bad({"address": "10.0.0.5/24"}, reason="InvalidConfig", match="unknown key"),
            Bad({"addresses": [{"address": "10.0.0.5"}]}, reason="InvalidConfig", match="addresses[0]"),
            Bad({"addresses": [{"address": "10.0.0.0/24"}]}, reason="InvalidConfig"),
            Bad({"addresses": [{"address": "10.0.0.5/24", "gateway": "x"}]}, reason="InvalidConfig"),
            Bad({"addresses": [], "routes": [{"dst": "here"}]}, reason="InvalidConfig", match="routes[0]"),
            Bad({}, reason="InvalidConfig", match="no address"),
            Bad({}, reason="InvalidConfig", request={"ips": ("10.0.0.9",)}, match="prefix length"),
        )

        def inside(self, host: Host, lease: IpamLease) -> None:
            assert [(item.address, item.gateway) for item in lease.addresses] == [
                ("10.0.0.5/24", "10.0.0.1"),
                ("2001:db8::5/64", "2001:db8::1"),
            ]
            assert [(route.dst, route.gw) for route in lease.routes] == [("192.168.0.0/16", "10.0.0.254")]
