"""The ipam section of a NAD: schema fragments and what they cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from ipam_testing.pools import HOST, backend, call, request
from ipam_testing.stores import MemoryStore
from jsonschema import Draft202012Validator
from secnet.contract import InvalidConfig, IPAMBackend, LeaseAddress, Route, freeze, thaw
from secnet_ipam import AntreaBackend, StaticBackend

BACKENDS: list[type[IPAMBackend]] = [AntreaBackend, StaticBackend]


def fragment(cls: type[IPAMBackend]) -> Any:
    return thaw(cls.describe().config)


@pytest.mark.parametrize("cls", BACKENDS)
def test_the_fragment_is_a_valid_schema_and_the_example_valid_by_it(cls: type[IPAMBackend]) -> None:
    info = cls.describe()
    Draft202012Validator.check_schema(fragment(cls))
    example = thaw(info.example)
    Draft202012Validator(fragment(cls)).validate(example)
    cls(HOST).validate(example)
    assert info == cls.describe()


def closed_objects(schema: dict[str, Any], path: str = "$") -> list[tuple[str, dict[str, Any]]]:
    found = [(path, schema)] if schema.get("type") == "object" else []
    for key, child in schema.get("properties", {}).items():
        found += closed_objects(child, f"{path}.{key}")
    if "items" in schema:
        found += closed_objects(schema["items"], f"{path}[]")
    return found


@pytest.mark.parametrize("cls", BACKENDS)
def test_every_object_of_the_fragment_is_closed_and_every_property_explained(cls: type[IPAMBackend]) -> None:
    for path, schema in closed_objects(fragment(cls)):
        assert schema["additionalProperties"] is False, path
        for key, child in schema["properties"].items():
            assert child["title"], f"{path}.{key}"
            assert child["description"], f"{path}.{key}"
            for example in child["examples"]:
                Draft202012Validator(child).validate(example)


@pytest.mark.parametrize(
    "config",
    [
        {"pools": ["a"]},
        {"ippools": "a"},
        {"ippools": ["a", "a"]},
        {"ippools": [""]},
        {"addresses": ["10.0.0.5/24"]},
        {"addresses": [{"gateway": "10.0.0.1"}]},
        {"addresses": [{"address": "10.0.0.5/24", "interface": 0}]},
        {"routes": [{"gw": "10.0.0.1"}]},
        {"routes": [{"dst": "10.0.0.0/8", "scope": 1}]},
        {"routes": [{"dst": "10.0.0.0/8", "mtu": 0}]},
        {"dns": {"servers": []}},
    ],
)
def test_the_schema_refuses(config: dict[str, Any]) -> None:
    assert not Draft202012Validator(fragment(AntreaBackend)).is_valid(config)


def test_static_takes_no_pools() -> None:
    assert not Draft202012Validator(fragment(StaticBackend)).is_valid({"ippools": ["a"]})


def one(address: str, gateway: str | None = None) -> dict[str, Any]:
    return {"addresses": [{"address": address} | ({"gateway": gateway} if gateway else {})]}


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, "$.ipam"),
        ({"ippools": []}, "$.ipam"),
        ({"routes": [{"dst": "10.0.0.0/8"}]}, "$.ipam"),
        ({"ippools": ["a", "b", "a"]}, "$.ipam.ippools[2]"),
        (one("10.0.0.5"), "$.ipam.addresses[0].address"),
        (one("10.0.0.5/33"), "$.ipam.addresses[0].address"),
        (one("10.0.0.5/"), "$.ipam.addresses[0].address"),
        (one("10.0.0.5/²"), "$.ipam.addresses[0].address"),
        (one("10.0.0.5/\u0662\u0664"), "$.ipam.addresses[0].address"),
        (one("010.0.0.5/24"), "$.ipam.addresses[0].address"),
        (one("fe80::1%eth0/64"), "$.ipam.addresses[0].address"),
        (one("10.0.0.0/24"), "$.ipam.addresses[0].address"),
        (one("10.0.0.255/24"), "$.ipam.addresses[0].address"),
        (one("2001:db8::/64"), "$.ipam.addresses[0].address"),
        (one("0.0.0.0/0"), "$.ipam.addresses[0].address"),
        (one("224.0.0.5/24"), "$.ipam.addresses[0].address"),
        (one("ff02::5/64"), "$.ipam.addresses[0].address"),
        (one("127.0.0.1/8"), "$.ipam.addresses[0].address"),
        (one("::1/128"), "$.ipam.addresses[0].address"),
        (one("10.0.0.5/24", "2001:db8::1"), "$.ipam.addresses[0].gateway"),
        (one("10.0.0.5/24", "10.0.0.5"), "$.ipam.addresses[0].gateway"),
        (one("10.0.0.5/24", "10.0.0.1/24"), "$.ipam.addresses[0].gateway"),
        (
            {"addresses": [{"address": "2001:db8::5/64"}, {"address": "2001:DB8::0:5/64"}]},
            "$.ipam.addresses[1].address",
        ),
        ({"ippools": ["a"], "routes": [{"dst": "10.0.0.0"}]}, "$.ipam.routes[0].dst"),
        ({"ippools": ["a"], "routes": [{"dst": "10.0.0.5/8"}]}, "$.ipam.routes[0].dst"),
        ({"ippools": ["a"], "routes": [{"dst": "10.0.0.0/8", "gw": "2001:db8::1"}]}, "$.ipam.routes[0].gw"),
        ({"ippools": ["a"], "routes": [{"dst": "10.0.0.0/8", "gw": "x"}]}, "$.ipam.routes[0].gw"),
        ({"ippools": ["a"], "routes": [{"dst": "10.0.0.0/8"}, {"dst": "10.0.0.0/8"}]}, "$.ipam.routes[1]"),
        ({"ippools": ["a"], "dns": {"nameservers": ["10.0.0.53", "ns.example.com"]}}, "$.ipam.dns.nameservers[1]"),
    ],
)
def test_validate_refuses_what_the_schema_cannot_see(config: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        AntreaBackend(HOST).validate(freeze(config))
    assert caught.value.path == path
    assert caught.value.hint


@pytest.mark.parametrize(
    "config",
    [
        one("10.0.0.0/31"),
        one("10.0.0.5/32"),
        one("2001:db8::/127"),
        one("10.0.0.5/24", "10.9.0.1"),
        {"ippools": ["a"], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "2001:db8::1"}]},
        {
            "ippools": ["a"],
            "routes": [{"dst": "10.0.0.0/8", "gw": "10.1.0.1"}, {"dst": "10.0.0.0/8", "gw": "10.1.0.2"}],
        },
    ],
)
def test_validate_accepts(config: dict[str, Any]) -> None:
    Draft202012Validator(fragment(AntreaBackend)).validate(config)
    AntreaBackend(HOST).validate(freeze(config))


def test_an_ipv6_destination_is_cut_to_its_prefix_as_the_kernel_does() -> None:
    """The CNI documentation's own example has such a route."""
    config = {"routes": [{"dst": "3ffe:ffff:0:01ff::1/64"}], **one("3ffe:ffff:0:01ff::1/64", "3ffe:ffff:0::1")}
    lease = backend(MemoryStore()).allocate(request("c1", **config), call())
    assert lease.routes == (Route(dst="3ffe:ffff:0:1ff::/64"),)
    assert lease.addresses == (LeaseAddress(address="3ffe:ffff:0:1ff::1/64", gateway="3ffe:ffff::1"),)
