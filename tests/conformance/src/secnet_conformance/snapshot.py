"""A picture of the host's network set-up, and what changed between two of them.

Attach and detach must leave the host as it was: the same snapshot before and after proves it, for our drivers and for third-party
ones. What changes by itself is left out: indexes, counters, carrier, lifetimes, the state of duplicate address
detection, and routes that are not unicast (local, broadcast, multicast), which follow from the addresses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import freeze, thaw
from secnet.linux import sysctl
from secnet.linux.errors import translated
from secnet.linux.netns import identify, in_netns, open_netns
from secnet.linux.rtnl import Address, KernelRoute, Link, Rtnl, SourceRule, host_rtnl

__all__ = ["CURRENT", "GLOBAL_SYSCTLS", "LINK_SYSCTLS", "HostSnapshot", "diff"]

CURRENT = "current"
"""The name under which a snapshot holds the calling thread's own namespace."""

LINK_SYSCTLS = (
    "ipv4/conf/{}/arp_notify",
    "ipv4/conf/{}/arp_ignore",
    "ipv4/conf/{}/arp_announce",
    "ipv4/conf/{}/proxy_arp",
    "ipv4/conf/{}/rp_filter",
    "ipv4/conf/{}/forwarding",
    "ipv6/conf/{}/disable_ipv6",
    "ipv6/conf/{}/ndisc_notify",
    "ipv6/conf/{}/accept_ra",
    "ipv6/conf/{}/accept_dad",
    "ipv6/conf/{}/optimistic_dad",
    "ipv6/conf/{}/addr_gen_mode",
    "ipv6/conf/{}/forwarding",
)
"""Sysctls read for each link and for `all` and `default`; `{}` stands for the name."""

GLOBAL_SYSCTLS = ("ipv4/ip_forward",)

_FLAGS = {
    0x1: "up",
    0x2: "broadcast",
    0x8: "loopback",
    0x80: "noarp",
    0x100: "promisc",
    0x200: "allmulti",
    0x1000: "multicast",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """JSON-like data: `{"netns": [names], "namespaces": {label: {"links", "addresses", "routes", "rules", "sysctls"}}, ...}`.

    Tests add sections of their own (OVS rows, pool entries, files) by `with_section`; `diff` compares any of them.
    """

    data: Mapping[str, Any]

    @classmethod
    def take(
        cls,
        namespaces: Mapping[str, int | str] | Iterable[str] = (),
        *,
        current: bool = True,
        netns_dir: Path = Path("/run/netns"),
        proc_root: Path = Path("/proc"),
    ) -> HostSnapshot:
        """Read the calling thread's namespace (unless `current` is false) and others: paths, or a label each with a path
        or a descriptor.
        """
        wanted = namespaces if isinstance(namespaces, Mapping) else {path: path for path in namespaces}
        found = {CURRENT: _read_current(proc_root)} if current else {}
        for label, where in wanted.items():
            if isinstance(where, int):
                found[label] = in_netns(where, lambda: _read_current(proc_root))
            else:
                with open_netns(identify(where)) as fd:
                    found[label] = in_netns(fd, lambda: _read_current(proc_root))
        return cls(data=freeze({"netns": _named(netns_dir), "namespaces": found}))

    def with_section(self, name: str, content: Any) -> HostSnapshot:
        """This snapshot with more JSON-like data under a name of its own."""
        return HostSnapshot(data=freeze({**self.data, name: content}))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists, fit for `json.dumps`; `HostSnapshot(data=...)` takes them back."""
        content: dict[str, Any] = thaw(self.data)
        return content


def diff(before: HostSnapshot, after: HostSnapshot) -> list[str]:
    """One readable line for each thing added (+), removed (-) or changed (~); empty if nothing differs.

    The sysctls of a link that is itself added or removed come and go with it, and are not reported one by one.
    """
    lines: list[str] = []
    _compare("", *_without_consequences(before.data, after.data), lines)
    return lines


def _without_consequences(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Both without the sysctls of links that only one of them has."""
    old, new = thaw(before), thaw(after)
    places, others = old.get("namespaces", {}), new.get("namespaces", {})
    for label in {*places} & {*others}:
        one, other = places[label], others[label]
        consequences = {
            key.format(link) for link in {*one.get("links", ())} ^ {*other.get("links", ())} for key in LINK_SYSCTLS
        }
        for place in (one, other):
            if "sysctls" in place:
                place["sysctls"] = {key: value for key, value in place["sysctls"].items() if key not in consequences}
    return old, new


def _compare(where: str, old: Any, new: Any, lines: list[str]) -> None:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            place = f"{where} > {key}" if where else str(key)
            if key not in old:
                lines.append(f"+ {place}: {_text(new[key])}")
            elif key not in new:
                lines.append(f"- {place}: {_text(old[key])}")
            else:
                _compare(place, old[key], new[key], lines)
    elif (
        isinstance(old, Sequence)
        and isinstance(new, Sequence)
        and not isinstance(old, str)
        and not isinstance(new, str)
    ):
        _compare_lists(where, list(old), list(new), lines)
    elif thaw(old) != thaw(new):
        lines.append(f"~ {where}: {_text(old)} -> {_text(new)}")


def _compare_lists(where: str, old: list[Any], new: list[Any], lines: list[str]) -> None:
    """Lists are sets with repetition here: the order in which a kernel lists things means nothing."""
    left = list(new)
    for item in old:
        if item in left:
            left.remove(item)
        else:
            lines.append(f"- {where}: {_text(item)}")
    lines.extend(f"+ {where}: {_text(item)}" for item in left)


def _text(value: Any) -> str:
    plain = thaw(value)
    if isinstance(plain, dict):
        return ", ".join(f"{key}={_text(item)}" for key, item in plain.items() if item not in (None, "", [], {}))
    return str(plain)


def _named(netns_dir: Path) -> list[str]:
    with translated(f"listing {netns_dir}"):
        return sorted(os.listdir(netns_dir)) if netns_dir.is_dir() else []


def _read_current(proc_root: Path) -> dict[str, Any]:
    with host_rtnl() as kernel:
        return _read_with(kernel, proc_root)


def _read_with(kernel: Rtnl, proc_root: Path) -> dict[str, Any]:
    links = kernel.links()
    names = {link.index: link.name for link in links}
    addresses: dict[str, list[dict[str, Any]]] = {}
    for address in kernel.addresses():
        addresses.setdefault(names.get(address.index, "?"), []).append(_address(address))
    return {
        "links": {link.name: _link(link, names) for link in links},
        "addresses": addresses,
        "routes": [_route(route, names) for route in kernel.routes(table=None)],
        "rules": [_rule(rule) for family in (4, 6) for rule in kernel.source_rules(family)],
        "sysctls": _sysctls(names.values(), proc_root),
    }


def _link(link: Link, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "kind": link.kind,
        "mac": link.mac,
        "mtu": link.mtu,
        "flags": [name for bit, name in _FLAGS.items() if link.flags & bit],
        "group": link.group,
        "alias": link.alias,
        "master": names.get(link.master, ""),
    }


def _address(address: Address) -> dict[str, Any]:
    return {"cidr": address.cidr, "scope": address.scope, "permanent": address.permanent}


def _rule(rule: SourceRule) -> dict[str, Any]:
    return {"from": rule.source, "table": rule.table, "priority": rule.priority}


def _route(route: KernelRoute, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "dst": route.dst,
        "dev": names.get(route.index, ""),
        "via": route.gw,
        "priority": route.priority,
        "table": route.table,
        "scope": route.scope,
        "protocol": route.protocol,
        "source": route.source,
        "mtu": route.mtu,
        "advmss": route.advmss,
    }


def _sysctls(links: Iterable[str], proc_root: Path) -> dict[str, str]:
    keys = [key.format(name) for name in ("all", "default", *links) for key in LINK_SYSCTLS]
    values = sysctl.read_all([*GLOBAL_SYSCTLS, *keys], proc_root=proc_root)
    return {key: value for key, value in values.items() if value is not None}
