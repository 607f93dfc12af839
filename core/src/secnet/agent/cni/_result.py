"""CNI results: what a plugin prints after a successful ADD, in the version of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import Dns, Route, thaw

from .interface import Attached

__all__ = ["full_result", "passed_through"]

_WITH_FAMILY = ("0.3.0", "0.3.1", "0.4.0")  # each address says its IP version
_WITH_LINK_FACTS = ("1.1.0",)  # interfaces have mtu and pciID, routes more than a gateway


def passed_through(version: str, previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """The result of a plugin that changes nothing the runtime can see. Without a plugin before it there is no result."""
    return {**(thaw(previous) if previous is not None else {}), "cniVersion": version}


def full_result(version: str, made: Attached, netns: str) -> dict[str, Any]:
    """All about one attachment. The interface in the Pod comes first, and the addresses point to it."""
    inside: dict[str, Any] = {"name": made.ifname, "mac": made.mac or "", "sandbox": netns}
    outside: list[dict[str, Any]] = [{"name": item.name, "mac": item.mac} for item in made.host_interfaces]
    if version in _WITH_LINK_FACTS:
        inside |= _link_facts(made)
        for entry, item in zip(outside, made.host_interfaces, strict=True):
            entry |= {"mtu": item.mtu} if item.mtu else {}
    result: dict[str, Any] = {"cniVersion": version, "interfaces": [inside, *outside]}
    if made.addresses:
        result["ips"] = [_address(version, item.address, item.gateway) for item in made.addresses]
    if routes := [_route(version, item) for item in made.routes if version in _WITH_LINK_FACTS or item.table is None]:
        result["routes"] = routes
    return result | {"dns": _dns(made.dns)}


def _link_facts(made: Attached) -> dict[str, Any]:
    facts: dict[str, Any] = {"mtu": made.mtu} if made.mtu else {}
    device = (made.device_info or {}).get("pci")
    if isinstance(device, Mapping) and device.get("pci-address"):
        facts["pciID"] = device["pci-address"]
    return facts


def _address(version: str, address: str, gateway: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"address": address, "interface": 0}
    if version in _WITH_FAMILY:
        found["version"] = "6" if ":" in address else "4"
    return found | ({"gateway": gateway} if gateway else {})


def _route(version: str, route: Route) -> dict[str, Any]:
    """Older versions cannot express the table of a route: such routes are left out there."""
    found: dict[str, Any] = {"dst": route.dst, "gw": route.gw}
    if version in _WITH_LINK_FACTS:
        for name in ("mtu", "advmss", "priority", "table", "scope"):
            found[name] = getattr(route, name)
    return {key: value for key, value in found.items() if value is not None}


def _dns(dns: Dns) -> dict[str, Any]:
    found = {
        "nameservers": list(dns.nameservers),
        "domain": dns.domain,
        "search": list(dns.search),
        "options": list(dns.options),
    }
    return {key: value for key, value in found.items() if value}
