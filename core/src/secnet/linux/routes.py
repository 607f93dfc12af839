"""Routes."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Any

from secnet.contract import Conflict, InvalidConfig

from .connection import NetlinkError, given
from .links import LinkRequests
from .replies import address, attributes, fields, number

__all__ = ["IPV6_DEFAULT_PRIORITY", "MAIN_TABLE", "PROTO_KERNEL", "PROTO_RA", "KernelRoute", "RouteRequests"]

MAIN_TABLE = 254
SCOPE_LINK = 253
RTN_UNICAST = 1
RTNH_F_ONLINK = 4
PROTO_KERNEL = 2
PROTO_STATIC = 4
PROTO_RA = 9
IPV6_DEFAULT_PRIORITY = 1024  # what the kernel makes of priority 0

_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)  # EACCES, EINVAL: prohibit, blackhole
_NOWHERE = 255  # RT_SCOPE_NOWHERE: in a removal, whatever the route's scope
_HEADER = struct.Struct("=BBBBBBBBI")  # struct rtmsg
# Attributes, from linux/rtnetlink.h.
_DST, _OIF, _GATEWAY, _PRIORITY, _SOURCE, _METRICS, _MULTIPATH, _CACHE, _TABLE, _VIA = 1, 4, 5, 6, 7, 8, 9, 12, 15, 18
_WANTED = frozenset((_DST, _OIF, _GATEWAY, _PRIORITY, _SOURCE, _METRICS, _MULTIPATH, _CACHE, _TABLE, _VIA))
_METRIC_MTU, _METRIC_ADVMSS = 2, 8
_EXPIRES = slice(8, 12)  # of struct rta_cacheinfo
_VIA_FAMILY = 2  # bytes before the address in struct rtvia


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRoute:
    """A unicast route as the kernel reports it. To take one and give it back whole, see `secnet.linux.saved_routes`.

    family: 4 or 6. dst: a prefix, `0.0.0.0/0` or `::/0` for a default route. index: of the outgoing link, 0 for several.
    protocol: who made it (2 kernel, 3 boot, 4 static, 9 router advertisement). source: the preferred source address.
    multipath: it has several next hops, which are not read. expires: it ends by itself, as one from a router advertisement.
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
    expires: bool = False

    def __str__(self) -> str:
        """As `ip route` shows it, without its link."""
        words = ["default" if self.dst in ("0.0.0.0/0", "::/0") else self.dst]
        words += [f"via {self.gw}"] if self.gw else []
        words += [f"metric {self.priority}"] if self.priority else []
        return " ".join(words)


def parse_route(body: bytes) -> KernelRoute | None:
    """A route from the body of an RTM_NEWROUTE message; None if it is not unicast."""
    number_of_family, prefix, _, _, table, protocol, scope, kind, flags = fields(_HEADER, body)
    if kind != RTN_UNICAST:
        return None
    attrs = attributes(body, _HEADER.size, _WANTED)
    limits = attributes(attrs.get(_METRICS, b""), 0, (_METRIC_MTU, _METRIC_ADVMSS))
    family = 6 if number_of_family == socket.AF_INET6 else 4
    via = attrs.get(_VIA)
    return KernelRoute(
        family=family,
        dst=f"{address(attrs.get(_DST)) or ('::' if family == 6 else '0.0.0.0')}/{prefix}",
        index=number(attrs.get(_OIF)),
        gw=address(via[_VIA_FAMILY:] if via else attrs.get(_GATEWAY)),
        mtu=number(limits.get(_METRIC_MTU)) or None,
        advmss=number(limits.get(_METRIC_ADVMSS)) or None,
        priority=number(attrs.get(_PRIORITY)),
        table=number(attrs[_TABLE]) if _TABLE in attrs else table,
        scope=scope,
        onlink=bool(flags & RTNH_F_ONLINK),
        protocol=protocol,
        source=address(attrs.get(_SOURCE)),
        multipath=_MULTIPATH in attrs,
        expires=number(attrs.get(_CACHE, b"")[_EXPIRES]) != 0,
    )


def _prefix(dst: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(dst)
    except ValueError as exc:
        raise InvalidConfig(f"{dst!r} is not a prefix: {exc}", hint="write it like 10.9.0.0/16", subject=dst) from exc


def _priority(version: int, priority: int | None) -> int:
    return priority or (IPV6_DEFAULT_PRIORITY if version == 6 else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """The attributes by which the kernel distinguishes routes."""

    family: int
    dst: str
    prefix: int
    priority: int
    table: int

    @classmethod
    def of(cls, dst: str, priority: int | None, table: int | None) -> _Identity:
        network = _prefix(dst)
        return cls(
            family=socket.AF_INET6 if network.version == 6 else socket.AF_INET,
            dst=str(network),
            prefix=network.prefixlen,
            priority=_priority(network.version, priority),
            table=table or MAIN_TABLE,
        )

    def header(self) -> dict[str, int]:
        """The fields of a message. Numbers of tables outgrew theirs, so that the attribute is what counts."""
        return {"family": self.family, "dst_len": self.prefix, "table": min(self.table, MAIN_TABLE)}

    def attrs(self, index: int) -> list[tuple[str, Any]]:
        """The attributes of a message about the route of this link."""
        start = self.dst.partition("/")[0]
        return given(RTA_DST=start, RTA_OIF=index, RTA_PRIORITY=self.priority, RTA_TABLE=self.table)


class RouteRequests(LinkRequests):
    """Requests about unicast routes."""

    def routes(
        self, index: int | None = None, *, family: int | None = None, table: int | None = MAIN_TABLE
    ) -> tuple[KernelRoute, ...]:
        """The unicast routes of one table (None: of all), optionally of one link and one family (4 or 6)."""
        families = {None: (socket.AF_INET, socket.AF_INET6), 4: (socket.AF_INET,), 6: (socket.AF_INET6,)}[family]
        # The kernel is not asked for one table: it refuses that while the table does not exist yet.
        attrs = given(RTA_OIF=index)
        found = (
            parse_route(body)
            for family_number in families
            for body in self._dump("route", "listing the routes", attrs, {"family": family_number})
        )
        return tuple(
            route
            for route in found
            if route is not None and (index is None or route.index == index) and (table is None or route.table == table)
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
        the link. Raises Conflict if what has the same `dst`, priority and table is a route of another link, which would lose
        its traffic, or one that the kernel made for an address of the link: without it no neighbour is reachable.
        """
        identity = _Identity.of(dst, priority, table)
        is_v4 = identity.family == socket.AF_INET
        if scope is None:
            scope = SCOPE_LINK if is_v4 and gw is None else 0
        header = identity.header() | {"type": RTN_UNICAST, "proto": protocol, "scope": scope}
        if onlink:
            header["flags"] = RTNH_F_ONLINK
        attrs = identity.attrs(index) + _gateway(gw, is_v4) + given(RTA_PREFSRC=source) + _metrics(mtu, advmss)
        try:
            self._try("route", "add", attrs=attrs, header=header)
        except NetlinkError as fault:
            doing = f"adding the route {dst}" + (f" via {gw}" if gw else "") + f" to {self.link_name(index)}"
            if fault.code != errno.EEXIST:
                raise self._error(fault, doing, dst) from fault
            self._refuse_theft(index, identity, doing)
            self._do("route", "replace", doing, dst, attrs=attrs, header=header)

    def _refuse_theft(self, index: int, wanted: _Identity, doing: str) -> None:
        family = 4 if wanted.family == socket.AF_INET else 6
        same_place = [
            route
            for route in self.routes(family=family, table=wanted.table)
            if (route.dst, route.priority) == (wanted.dst, wanted.priority)
        ]
        for route in same_place:
            if route.index != index or route.protocol == PROTO_KERNEL:
                owner = self.link_name(route.index) if route.index else "the Pod"
                raise Conflict(
                    f"{doing}: {owner} has the route {route} already",
                    hint="remove the route from one of the networks, or give it another priority",
                    subject=wanted.dst,
                )
        if not same_place:
            raise Conflict(
                f"{doing}: a route that rejects {wanted.dst} stands there",
                hint="remove that route, or give this one another priority",
                subject=wanted.dst,
            )

    def link_of_lookup(self, source: str, dst: str) -> int:
        """Index of the link through which a packet from `source` to `dst` leaves; 0 if it has no route."""
        is_v4 = ipaddress.ip_address(dst).version == 4
        header = {
            "family": socket.AF_INET if is_v4 else socket.AF_INET6,
            "dst_len": 32 if is_v4 else 128,
            "src_len": 32 if is_v4 else 128,
        }
        try:
            bodies = self._try("route", "get", attrs=given(RTA_DST=dst, RTA_SRC=source), header=header)
        except NetlinkError as fault:
            if fault.code in _NO_ROUTE:
                return 0
            raise self._error(fault, f"looking up the route from {source} to {dst}", dst) from fault
        return number(attributes(bodies[0], _HEADER.size, (_OIF,)).get(_OIF))

    def delete_route(
        self, index: int, dst: str, *, gw: str | None = None, priority: int | None = None, table: int | None = None
    ) -> None:
        """Remove a route of a link. A route that is gone is success."""
        identity = _Identity.of(dst, priority, table)
        attrs = identity.attrs(index) + _gateway(gw, identity.family == socket.AF_INET)
        try:
            self._try("route", "del", attrs=attrs, header=identity.header() | {"scope": _NOWHERE})
        except NetlinkError as fault:
            if fault.code not in (errno.ESRCH, errno.ENODEV):
                raise self._error(fault, f"removing the route {dst}", dst) from fault


def _gateway(gw: str | None, is_v4: bool) -> list[tuple[str, Any]]:
    if gw is None:
        return []
    try:
        parsed = ipaddress.ip_address(gw)
    except ValueError as exc:
        raise InvalidConfig(f"{gw!r} is not an address", hint="give the gateway's address", subject=gw) from exc
    if is_v4 and parsed.version == 6:
        return [("RTA_VIA", {"family": socket.AF_INET6, "addr": str(parsed)})]
    if not is_v4 and parsed.version == 4:
        raise InvalidConfig(
            f"the IPv4 gateway {gw} cannot carry an IPv6 route", hint="give an IPv6 gateway", subject=gw
        )
    return [("RTA_GATEWAY", str(parsed))]


def _metrics(mtu: int | None, advmss: int | None) -> list[tuple[str, Any]]:
    limits = given(RTAX_MTU=mtu or None, RTAX_ADVMSS=advmss or None)
    return [("RTA_METRICS", {"attrs": limits})] if limits else []
