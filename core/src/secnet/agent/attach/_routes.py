"""Which routes the Pod's interface gets.

A route never replaces one that is not ours (docs/decisions/0027): neither the kernel's route to the interface's own subnet nor
any route of another interface.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator

from secnet.contract import Conflict, Finding, LeaseAddress, Route, Unsupported
from secnet.linux.routes import IPV6_DEFAULT_PRIORITY, MAIN_TABLE
from secnet.linux.rtnl import KernelRoute, Link, Rtnl

from ..model.record import Record

__all__ = ["DEFAULTS", "add_route", "gateways", "redundant_routes", "route_findings", "version_of", "wanted_routes"]

DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


def version_of(address: str) -> int:
    """4 or 6, of an address or a prefix."""
    return 6 if ":" in address else 4


def _addresses(record: Record) -> tuple[LeaseAddress, ...]:
    return record.attachment.lease.addresses if record.attachment.lease else ()


def gateways(record: Record) -> tuple[str, ...]:
    """Gateways of the default routes to set, one a family: those of `default-route`; an empty list means the lease's own.

    Nothing while the lease is still to come.
    """
    if "default_route" not in record.attachment_options or record.attachment.lease is None:
        return ()
    own = tuple(item.gateway for item in _addresses(record) if item.gateway)
    found = tuple(record.attachment_options["default_route"]) or own
    if not found:
        raise Unsupported(
            "default-route is asked for, but neither the annotation nor an IPPool of this network names a gateway",
            hint="list the gateway in default-route",
            subject=f"network {record.attachment.request.network}",
        )
    return tuple({version_of(gateway): gateway for gateway in reversed(found)}.values())


def wanted_routes(record: Record) -> Iterator[Route]:
    """The lease's routes; one without gateway takes the first gateway of its family, as CNI results are read.

    Left out are routes to the own subnet, which the kernel has, and default routes for which `default-route` stands.
    """
    lease = record.attachment.lease
    if lease is None:
        return
    replaced = {DEFAULTS[version_of(gateway)] for gateway in gateways(record)}
    own = _subnets(record)
    for route in lease.routes:
        dst = _normal(route.dst)
        if _is_plain(route) and (dst in own or dst in replaced):
            continue
        version = version_of(dst)
        fallback = next((a.gateway for a in lease.addresses if a.gateway and version_of(a.gateway) == version), None)
        explicit = route.gw is not None or route.scope is not None
        yield route if explicit or fallback is None else dataclasses.replace(route, gw=fallback)


def redundant_routes(record: Record) -> tuple[Route, ...]:
    """The lease's routes to its own subnets: the kernel has them, and with a gateway in the way neighbours would be lost."""
    own, lease = _subnets(record), record.attachment.lease
    return tuple(route for route in (lease.routes if lease else ()) if _is_plain(route) and _normal(route.dst) in own)


def _subnets(record: Record) -> set[str]:
    return {str(ipaddress.ip_interface(item.address).network) for item in _addresses(record)}


def _is_plain(route: Route) -> bool:
    """Whether the route stands where the kernel puts the routes of subnets; with a priority it is meant to stand beside."""
    return not route.priority and (route.table or MAIN_TABLE) == MAIN_TABLE


def _normal(dst: str) -> str:
    return str(ipaddress.ip_network(dst, strict=False))


def add_route(pod: Rtnl, link: Link, route: Route) -> None:
    """Add one of `wanted_routes`; one that is there is success.

    Without a priority it has to be the only one to its destination: raises Conflict if another interface has one, whatever its
    metric. With a priority it stands beside.
    """
    if not route.priority:
        there = [item for item in _routes_to(pod, route) if item.index != link.index]
        if there and not _stands(pod, link, route):
            raise _conflict(pod, link, route, there[0])
    pod.add_route(
        link.index,
        route.dst,
        gw=route.gw,
        mtu=route.mtu,
        advmss=route.advmss,
        priority=route.priority,
        table=route.table,
        scope=route.scope,
    )


def _routes_to(pod: Rtnl, route: Route) -> list[KernelRoute]:
    dst = _normal(route.dst)
    found = pod.routes(family=version_of(dst), table=route.table or MAIN_TABLE)
    return [item for item in found if _normal(item.dst) == dst]


def _stands(pod: Rtnl, link: Link, route: Route) -> bool:
    """Whether the link has the route, even by another gateway."""
    metric = IPV6_DEFAULT_PRIORITY if version_of(route.dst) == 6 else 0
    return any((item.index, item.priority) == (link.index, metric) for item in _routes_to(pod, route))


def _conflict(pod: Rtnl, link: Link, route: Route, there: KernelRoute) -> Conflict:
    owner = pod.link_name(there.index) if there.index else "the Pod"
    is_default = _normal(route.dst) in DEFAULTS.values()
    remedy = "ask for default-route in the annotation" if is_default else "remove the route from the network"
    return Conflict(
        f"the route {route.dst} of {link.name} would take the traffic of {owner}, which has the route {there}",
        hint=f"{remedy}, or give the route a priority",
        subject=f"route {route.dst}",
    )


def route_findings(pod: Rtnl, link: Link, record: Record) -> Iterator[Finding]:
    """The routes that are missing."""
    wanted = [(route.dst, route.table) for route in wanted_routes(record)]
    wanted += [(DEFAULTS[version_of(gateway)], None) for gateway in gateways(record)]
    if not wanted:
        return
    keys = [(_normal(dst), table or MAIN_TABLE) for dst, table in wanted]
    there = {
        (_normal(route.dst), route.table)
        for family in {version_of(dst) for dst, _ in keys}
        for route in pod.routes(link.index, family=family, table=None)
    }
    for (dst, _), key in zip(wanted, keys, strict=True):
        if key not in there:
            yield Finding(code="RouteMissing", message=f"route {dst} of {link.name} is missing", in_pod=True)
