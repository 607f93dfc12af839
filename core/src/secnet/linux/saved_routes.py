"""Routes taken from where they stand and given back later, with every attribute that they had.

A route is recorded as the kernel described it, not by a list of fields: whatever the kernel tells of it goes back to it. What it
tells and does not take is known here; a route with anything else has an `obstacle`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .connection import NetlinkError
from .links import LinkRequests
from .replies import address, attribute, fields, number, pairs
from .routes import KernelRoute

__all__ = ["SavedRoute", "SavedRouteRequests", "saved_route"]

_HEADER = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight - 1, index
_INDEX = struct.Struct("=i")
_NUMBER = struct.Struct("=I")
_VIA_HEADER = struct.Struct("=H")  # struct rtvia: the family of the address that follows
_UNICAST, _MAIN_TABLE = 1, 254
_ONLINK = 4  # RTNH_F_ONLINK
_FLAGS = 2 | _ONLINK  # RTNH_F_PERVASIVE and _ONLINK: the other flags are the kernel's words about the state of the link

# Attributes, from linux/rtnetlink.h.
_DST, _SRC, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _METRICS, _MULTIPATH = 1, 2, 4, 5, 6, 7, 8, 9
_FLOW, _CACHEINFO, _TABLE, _VIA, _PREF, _ENCAP_TYPE, _ENCAP, _EXPIRES = 11, 12, 15, 18, 20, 21, 22, 23
_PAD, _TTL_PROPAGATE, _NEXTHOP_ID = 24, 26, 30
_AS_IT_IS = frozenset(
    {_DST, _SRC, _GATEWAY, _PRIORITY, _PREFSRC, _METRICS, _FLOW, _TABLE, _VIA, _PREF, _ENCAP_TYPE, _ENCAP}
    | {_EXPIRES, _TTL_PROPAGATE, _NEXTHOP_ID}
)
_HANDLED = frozenset((_OIF, _MULTIPATH, _CACHEINFO, _PAD))
_OF_NEXTHOP = frozenset((_OIF, _GATEWAY, _VIA, _MULTIPATH, _ENCAP, _ENCAP_TYPE))
"""What the kernel tells of the nexthop object that a route names by its id; it does not take both."""
_CACHE_EXPIRES = struct.Struct("=8xi")  # struct rta_cacheinfo, up to its third field
_VIA_FAMILY = 2

Place = tuple[int, str, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SavedRoute:
    """A unicast route, whole, in the form of a record.

    message: what the kernel said of it, as hexadecimal digits. ifnames: of the links that its next hops lead to, in the order
    of the message; none for a route by a nexthop object that does not tell its links.
    """

    message: str
    ifnames: tuple[str, ...] = ()

    @cached_property
    def place(self) -> Place:
        """By what the kernel tells it from other routes: family, destination, table, TOS, priority. One fits into a place;
        with IPv6 and with `ip route append`, several do."""
        family, prefix, _, tos, table, *_ = fields(_HEADER, self._body)
        attrs = self._attrs
        dst = address(attrs.get(_DST)) or ("::" if family == socket.AF_INET6 else "0.0.0.0")
        table = number(attrs[_TABLE]) if _TABLE in attrs else table
        return family, f"{dst}/{prefix}", table, tos, number(attrs.get(_PRIORITY))

    @cached_property
    def way(self) -> tuple[Place, tuple[tuple[str, str], ...]]:
        """The place, and name of the link and gateway of each next hop: the same for the same route read twice."""
        return self.place, tuple(zip(self._gateways(), (*self.ifnames, ""), strict=False))

    def __str__(self) -> str:
        """As `ip route` shows it: `default via 10.0.0.1 dev eth0 metric 100`."""
        _, dst, table, _, priority = self.place
        words = ["default" if dst in ("0.0.0.0/0", "::/0") else dst]
        for gateway, ifname in zip(self._gateways(), (*self.ifnames, ""), strict=False):
            words += ["via", gateway] * bool(gateway) + ["dev", ifname] * bool(ifname)
        words += ["table", str(table)] * (table != _MAIN_TABLE) + ["metric", str(priority)] * bool(priority)
        return " ".join(words)

    @property
    def obstacle(self) -> str:
        """Why it could not be given back, for a message; empty if it can."""
        unknown = sorted(set(self._attrs) - _AS_IT_IS - _HANDLED)
        return f"it has the attribute {unknown[0]} of linux/rtnetlink.h, which is not known here" if unknown else ""

    @property
    def indexes(self) -> tuple[int, ...]:
        """Of the links that its next hops led to when it was read."""
        if _MULTIPATH in self._attrs:
            return tuple(index for _, _, index, _ in _hops(self._attrs[_MULTIPATH]))
        return (number(self._attrs[_OIF]),) if _OIF in self._attrs else ()

    @cached_property
    def _body(self) -> bytes:
        return bytes.fromhex(self.message)

    @cached_property
    def _attrs(self) -> Mapping[int, bytes]:
        return dict(pairs(self._body, _HEADER.size))

    def _gateways(self) -> list[str]:
        attrs = self._attrs
        hops = [dict(pairs(rest, 0)) for _, _, _, rest in _hops(attrs[_MULTIPATH])] if _MULTIPATH in attrs else [attrs]
        return [address(hop[_VIA][_VIA_FAMILY:] if _VIA in hop else hop.get(_GATEWAY)) or "" for hop in hops]


def saved_route(ifname: str, route: KernelRoute) -> SavedRoute:
    """A route of which only the fields of a KernelRoute are known, through the link of this name."""
    network = ipaddress.ip_network(route.dst)
    family = socket.AF_INET6 if route.family == 6 else socket.AF_INET
    header = (family, network.prefixlen, 0, 0, min(route.table, _MAIN_TABLE), route.protocol, route.scope, _UNICAST)
    attrs = [(_DST, network.network_address.packed), (_OIF, _INDEX.pack(0)), (_TABLE, _NUMBER.pack(route.table))]
    if route.gw is not None:
        gateway = ipaddress.ip_address(route.gw)
        crossed = gateway.version != route.family  # an IPv4 route by an IPv6 gateway
        via = _VIA_HEADER.pack(socket.AF_INET6) + gateway.packed
        attrs.append((_VIA, via) if crossed else (_GATEWAY, gateway.packed))
    if route.priority:
        attrs.append((_PRIORITY, _NUMBER.pack(route.priority)))
    if route.source is not None:
        attrs.append((_PREFSRC, ipaddress.ip_address(route.source).packed))
    limits = b"".join(
        attribute(kind, _NUMBER.pack(value)) for kind, value in ((2, route.mtu), (8, route.advmss)) if value
    )
    if limits:
        attrs.append((_METRICS, limits))
    body = _HEADER.pack(*header, _ONLINK if route.onlink else 0) + b"".join(attribute(*pair) for pair in attrs)
    return SavedRoute(message=body.hex(), ifnames=(ifname,))


class SavedRouteRequests(LinkRequests):
    """Requests about routes as a whole."""

    def whole_routes(self, dst: str) -> tuple[SavedRoute, ...]:
        """The unicast routes of the main table to a destination, such as `0.0.0.0/0`, in the kernel's order."""
        family = socket.AF_INET6 if ":" in dst else socket.AF_INET
        bodies = self._dump("route", f"listing the routes to {dst}", header={"family": family})
        found = (SavedRoute(message=body.hex()) for body in bodies if fields(_HEADER, body)[7] == _UNICAST)
        return tuple(
            SavedRoute(message=route.message, ifnames=tuple(map(self.link_name, route.indexes)))
            for route in found
            if route.place[1:3] == (dst, _MAIN_TABLE)
        )

    def remove_route(self, route: SavedRoute) -> None:
        """Remove this very route. One that is gone is success."""
        body = self._message(route)
        if body is None:
            return
        try:
            self._try("route", "del", body=body)
        except NetlinkError as fault:
            if fault.code not in (errno.ESRCH, errno.ENODEV):
                raise self._error(fault, f"removing the route {route}", str(route)) from fault

    def give_back_route(self, route: SavedRoute) -> bool:
        """Add a route as it was, beside others of its place; whether anything of it could be: links that are gone took theirs.

        One that is there is success. A route that was to expire has the time that it had left when it was saved.
        """
        body = self._message(route)
        if body is None:
            return False
        try:
            self._try("route", "append", body=body)
        except NetlinkError as fault:
            if fault.code != errno.EEXIST:
                raise self._error(fault, f"giving back the route {route}", str(route)) from fault
        return True

    def _message(self, route: SavedRoute) -> bytes | None:
        """The request that names this route, by today's indexes of its links; None if none of them is there."""
        links = [self.link(name) for name in route.ifnames]
        indexes = [link.index if link is not None else 0 for link in links]
        body = bytes.fromhex(route.message)
        attrs = list(pairs(body, _HEADER.size))
        by_id = any(kind == _NEXTHOP_ID for kind, _ in attrs)
        if not by_id and not any(indexes):
            return None
        *header, flags = fields(_HEADER, body)
        kept = (pair for pair in attrs if not (by_id and pair[0] in _OF_NEXTHOP))
        return _HEADER.pack(*header, flags & _FLAGS) + b"".join(_request_attributes(kept, indexes))


def _hops(payload: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Flags, weight - 1, index and attributes of each next hop."""
    at = 0
    while len(payload) - at >= _HOP.size:
        size, flags, weight, index = _HOP.unpack_from(payload, at)
        yield flags, weight, index, payload[at + _HOP.size : at + size]
        at += max(size, _HOP.size) + 3 & ~3


def _request_attributes(attrs: Iterable[tuple[int, bytes]], indexes: Sequence[int]) -> Iterator[bytes]:
    for kind, payload in attrs:
        if kind == _OIF:
            yield attribute(_OIF, _INDEX.pack(indexes[0]))
        elif kind == _MULTIPATH:
            yield attribute(_MULTIPATH, b"".join(_request_hops(payload, indexes)))
        elif kind == _CACHEINFO:
            seconds = _CACHE_EXPIRES.unpack_from(payload)[0] // os.sysconf("SC_CLK_TCK")
            if seconds > 0:
                yield attribute(_EXPIRES, _INDEX.pack(seconds))
        elif kind != _PAD:
            yield attribute(kind, payload)


def _request_hops(payload: bytes, indexes: Sequence[int]) -> Iterator[bytes]:
    for (flags, weight, _, rest), index in zip(_hops(payload), indexes, strict=True):
        if index:
            yield _HOP.pack(_HOP.size + len(rest), flags & _FLAGS, weight, index) + rest
