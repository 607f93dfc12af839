"""Routes."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import Conflict, InvalidConfig

from .connection import Connection, Fault

__all__ = ["MAIN_TABLE", "KernelRoute", "RouteRequests"]

MAIN_TABLE = 254
SCOPE_LINK = 253
RTN_UNICAST = 1
RTNH_F_ONLINK = 4
PROTO_STATIC = 4
IPV6_DEFAULT_PRIORITY = 1024  # what the kernel makes of priority 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRoute:
    """A unicast route as the kernel reports it; its fields are what `add_route` takes, so that it can be put back.

    family: 4 or 6. dst: a prefix, `0.0.0.0/0` or `::/0` for a default route. index: of the outgoing link, 0 for several.
    protocol: who made it (2 kernel, 3 boot, 4 static, 9 router advertisement). source: the preferred source address.
    multipath: it has several next hops, which are not read: such a route cannot be put back.
    """

    family: int
    dst: str
    index: int
    gw: str | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int = 0
    table: int = MAIN_TABLE
    scope: int = 0
    onlink: bool = False
    protocol: int = PROTO_STATIC
    source: str | None = None
    multipath: bool = False


def parse_route(message: Mapping[str, Any]) -> KernelRoute:
    """A route from an RTM_NEWROUTE message."""
    attrs = dict(message["attrs"])
    family = 6 if message["family"] == socket.AF_INET6 else 4
    anywhere = "::" if family == 6 else "0.0.0.0"
    metrics = attrs.get("RTA_METRICS")
    limits = dict(metrics["attrs"]) if metrics else {}
    via = attrs.get("RTA_VIA")
    return KernelRoute(
        family=family,
        dst=f"{attrs.get('RTA_DST') or anywhere}/{message['dst_len']}",
        index=attrs.get("RTA_OIF", 0),
        gw=attrs.get("RTA_GATEWAY") or (via["addr"] if via else None),
        mtu=limits.get("RTAX_MTU"),
        advmss=limits.get("RTAX_ADVMSS"),
        priority=attrs.get("RTA_PRIORITY", 0),
        table=attrs.get("RTA_TABLE", message["table"]),
        scope=message["scope"],
        onlink=bool(message["flags"] & RTNH_F_ONLINK),
        protocol=message["proto"],
        source=attrs.get("RTA_PREFSRC"),
        multipath="RTA_MULTIPATH" in attrs,
    )


def _prefix(dst: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(dst)
    except ValueError as exc:
        raise InvalidConfig(f"{dst!r} is not a prefix: {exc}", hint="write it like 10.9.0.0/16", subject=dst) from exc


def _priority(version: int, priority: int | None) -> int:
    return priority or (IPV6_DEFAULT_PRIORITY if version == 6 else 0)


def _identity(dst: str, priority: int | None, table: int | None) -> dict[str, Any]:
    """The fields by which the kernel tells one route from another."""
    network = _prefix(dst)
    return {
        "family": socket.AF_INET6 if network.version == 6 else socket.AF_INET,
        "dst": str(network),
        "priority": _priority(network.version, priority),
        "table": table or MAIN_TABLE,
    }


class RouteRequests(Connection):
    """Requests about unicast routes."""

    def routes(
        self, index: int | None = None, *, family: int | None = None, table: int | None = MAIN_TABLE
    ) -> tuple[KernelRoute, ...]:
        """The unicast routes of one table (None: of all), optionally of one link and one family (4 or 6)."""
        families = {None: (socket.AF_INET, socket.AF_INET6), 4: (socket.AF_INET,), 6: (socket.AF_INET6,)}[family]
        found = (
            parse_route(message)
            for number in families
            for message in self._dump("route", "listing the routes", family=number, type=RTN_UNICAST)
            if message["type"] == RTN_UNICAST
        )
        return tuple(
            route
            for route in found
            if (index is None or route.index == index) and (table is None or route.table == table)
        )

    def default_routes(self, family: int | None = None) -> tuple[KernelRoute, ...]:
        """The default routes of the main table, of one family (4 or 6) or of both."""
        return tuple(route for route in self.routes(family=family) if route.dst in ("0.0.0.0/0", "::/0"))

    def add_route(
        self,
        index: int,
        dst: str,
        *,
        gw: str | None = None,
        mtu: int | None = None,
        advmss: int | None = None,
        priority: int | None = None,
        table: int | None = None,
        scope: int | None = None,
        onlink: bool = False,
        protocol: int = PROTO_STATIC,
        source: str | None = None,
    ) -> None:
        """Route `dst` through a link; a route of the same link to the same `dst` is replaced.

        scope: as in rtnetlink; by default link for IPv4 without gateway. onlink: the gateway need not lie in a network of
        the link. Raises Conflict if another link has a route to `dst` of the same priority and table: replacing it, as the
        kernel would, takes the traffic of a network that is not ours.
        """
        fields = _identity(dst, priority, table) | {"oif": index, "type": RTN_UNICAST, "proto": protocol}
        is_v4 = fields["family"] == socket.AF_INET
        fields["scope"] = scope if scope is not None else (SCOPE_LINK if is_v4 and gw is None else 0)
        if gw is not None:
            fields |= _gateway(gw, is_v4)
        if onlink:
            fields["flags"] = RTNH_F_ONLINK
        if source is not None:
            fields["prefsrc"] = source
        if mtu or advmss:
            fields["metrics"] = {"mtu": mtu or None, "advmss": advmss or None}
        doing = f"adding the route {dst}" + (f" via {gw}" if gw else "") + f" to the link with index {index}"
        try:
            self._try("route", "add", **fields)
        except Fault as fault:
            if fault.code != errno.EEXIST:
                raise self._error(fault, doing, dst) from fault.__cause__
            self._refuse_theft(index, fields, doing)
            self._do("route", "replace", doing, dst, **fields)

    def _refuse_theft(self, index: int, fields: Mapping[str, Any], doing: str) -> None:
        family = 4 if fields["family"] == socket.AF_INET else 6
        for route in self.routes(family=family, table=fields["table"]):
            same = (route.dst, route.priority) == (fields["dst"], fields["priority"])
            if same and route.index != index:
                raise Conflict(
                    f"{doing}: the link with index {route.index} has a route to it already",
                    hint="remove the route from one of the networks, or give it another priority",
                    subject=str(fields["dst"]),
                )

    def delete_route(
        self, index: int, dst: str, *, gw: str | None = None, priority: int | None = None, table: int | None = None
    ) -> None:
        """Remove a route of a link. A route that is gone is success."""
        fields = _identity(dst, priority, table) | {"oif": index, "scope": 255}  # RT_SCOPE_NOWHERE: whatever its scope
        if gw is not None:
            fields |= _gateway(gw, fields["family"] == socket.AF_INET)
        try:
            self._try("route", "del", **fields)
        except Fault as fault:
            if fault.code not in (errno.ESRCH, errno.ENODEV):
                raise self._error(fault, f"removing the route {dst}", dst) from fault.__cause__


def _gateway(gw: str, is_v4: bool) -> dict[str, Any]:
    try:
        address = ipaddress.ip_address(gw)
    except ValueError as exc:
        raise InvalidConfig(f"{gw!r} is not an address", hint="give the gateway's address", subject=gw) from exc
    if is_v4 and address.version == 6:
        return {"via": {"family": socket.AF_INET6, "addr": str(address)}}
    if not is_v4 and address.version == 4:
        raise InvalidConfig(
            f"the IPv4 gateway {gw} cannot carry an IPv6 route", hint="give an IPv6 gateway", subject=gw
        )
    return {"gateway": str(address)}
