"""The core's layer-3 step: what happens inside the Pod after the driver put the interface there, down and finished.

Order (measured): sysctls that make the kernel announce, addresses, link up (the kernel then sends the
gratuitous ARP and the unsolicited neighbour advertisement by itself), routes. What is replaced, the other default routes
under `default-route`, is recorded by the caller before `apply` and put back by `restore` while the namespace lives.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from secnet.contract import (
    Attachment,
    AttachResult,
    Call,
    Finding,
    Gone,
    IpamLease,
    NotReady,
    Route,
    Unsupported,
    from_json,
    to_json,
)
from secnet.linux import announce, sysctl
from secnet.linux.routes import MAIN_TABLE
from secnet.linux.rtnl import Address, KernelRoute, Link, Rtnl, pod_rtnl

__all__ = ["Layer3"]

_CARRIER_SECONDS = 3.0
_CARRIER_POLL_SECONDS = 0.02
_ANNOUNCE_SECONDS = 0.05
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _TakenRoute:
    """A default route of another interface that stood in the way; `ifname` finds its link again."""

    ifname: str
    route: KernelRoute


class Layer3:
    """Addresses, link state and routes of the Pod's interface. Stateless."""

    def prior(
        self, attachment: Attachment, attachment_options: Mapping[str, Any], recorded: Mapping[str, Any] = _NOTHING
    ) -> Mapping[str, Any]:
        """What `apply` will replace, to be recorded first, beside what is recorded already. Read-only."""
        gateways = _gateways(attachment, attachment_options)
        if not gateways:
            return recorded
        families = {ipaddress.ip_address(gateway).version for gateway in gateways}
        with pod_rtnl(attachment.request.netns) as (_, pod):
            own = _link(pod, attachment)
            others = [r for r in pod.default_routes() if r.family in families and r.index != own.index]
            if any(route.multipath for route in others):
                raise Unsupported(
                    "the Pod has a default route with several next hops, which could not be restored later",
                    hint="remove default-route from the annotation, or the multipath route from the Pod",
                )
            found = ((pod.link_by_index(route.index), route) for route in others)
            taken = [_TakenRoute(ifname=link.name, route=route) for link, route in found if link]
        known = [from_json(_TakenRoute, item) for item in recorded.get("default_routes", ())]
        return {"default_routes": to_json([*known, *(item for item in taken if item not in known)])}

    def apply(
        self, attachment: Attachment, result: AttachResult, attachment_options: Mapping[str, Any], call: Call
    ) -> None:
        """Give the interface its addresses, bring it up, set its routes. Repeating it changes nothing."""
        ifname = attachment.request.ifname
        addresses = [item.address for item in attachment.lease.addresses] if attachment.lease else []
        with ExitStack() as stack:
            with call.step("sysctl.set", interface=ifname):
                announcing = partial(_set_sysctls, _sysctls(ifname, addresses))
                fd, pod = stack.enter_context(pod_rtnl(attachment.request.netns, announcing))
            link = _link(pod, attachment)
            for address in addresses:
                with call.step("address.add", interface=ifname, address=address):
                    pod.add_address(link.index, address, nodad=True)
            with call.step("link.up", interface=ifname):
                pod.set_link(link.index, up=True)
            self._set_routes(pod, link, attachment, attachment_options, call)
            if result.late_carrier and _carrier(pod, ifname, call):
                announce.announce(fd, ifname, link.mac, addresses, sleep=call.sleep, interval=_ANNOUNCE_SECONDS)

    def check(self, attachment: Attachment, attachment_options: Mapping[str, Any], call: Call) -> tuple[Finding, ...]:
        """Deviations of addresses, link state and routes from the lease; read-only."""
        try:
            with pod_rtnl(attachment.request.netns) as (_, pod):
                return tuple(_findings(pod, attachment, attachment_options))
        except Gone as exc:
            return (Finding(code="NetnsGone", message=exc.message, repairable=False, in_pod=True),)

    def restore(self, attachment: Attachment, layer3: Mapping[str, Any], call: Call) -> None:
        """Restore what `apply` replaced, unless the namespace is gone or something took its place."""
        taken = [from_json(_TakenRoute, item) for item in layer3.get("default_routes", ())]
        if not taken:
            return
        try:
            with pod_rtnl(attachment.request.netns) as (_, pod):
                for item in taken:
                    self._give_back(pod, item, call)
        except Gone:
            return

    def _set_routes(
        self, pod: Rtnl, link: Link, attachment: Attachment, attachment_options: Mapping[str, Any], call: Call
    ) -> None:
        for route in _routes(attachment):
            with call.step("route.add", interface=link.name, dst=route.dst):
                _add_route(pod, link, route)
        for gateway in _gateways(attachment, attachment_options):
            version = ipaddress.ip_address(gateway).version
            for old in pod.default_routes(version):
                if old.index != link.index:
                    with call.step("route.take", dst=old.dst, gw=old.gw):
                        pod.delete_route(old.index, old.dst, gw=old.gw, priority=old.priority, table=old.table)
            with call.step("route.add", interface=link.name, dst=_DEFAULTS[version]):
                pod.add_route(link.index, _DEFAULTS[version], gw=gateway)

    def _give_back(self, pod: Rtnl, taken: _TakenRoute, call: Call) -> None:
        link, route = pod.link(taken.ifname), taken.route
        if link is None or pod.default_routes(route.family):
            return
        with call.step("route.restore", interface=taken.ifname, dst=route.dst):
            _add_route(pod, link, route, onlink=route.onlink, protocol=route.protocol, source=route.source)


def _add_route(pod: Rtnl, link: Link, route: Route | KernelRoute, **rest: Any) -> None:
    limits: dict[str, Any] = {"mtu": route.mtu, "advmss": route.advmss, "priority": route.priority}
    pod.add_route(link.index, route.dst, gw=route.gw, table=route.table, scope=route.scope, **limits, **rest)


def _link(pod: Rtnl, attachment: Attachment) -> Link:
    link = pod.link(attachment.request.ifname)
    if link is None:
        raise NotReady(f"interface {attachment.request.ifname} is not in the Pod's network namespace")
    return link


def _sysctls(ifname: str, addresses: list[str]) -> dict[str, str]:
    """Announce on link-up; for IPv6 also make sure it is on, and that a short link-down does not lose the addresses."""
    values = {f"ipv4/conf/{ifname}/arp_notify": "1"}
    if any(":" in address for address in addresses):
        values |= {
            f"ipv6/conf/{ifname}/disable_ipv6": "0",
            f"ipv6/conf/{ifname}/ndisc_notify": "1",
            f"ipv6/conf/{ifname}/keep_addr_on_down": "1",
        }
    return values


def _set_sysctls(values: Mapping[str, str]) -> None:
    """Write what differs: a write of `disable_ipv6` spins until it gets a lock that all the host's network changes share."""
    for key, value in values.items():
        if sysctl.read(key) != value:
            sysctl.write(key, value)


def _routes(attachment: Attachment) -> Iterator[Route]:
    """The lease's routes; one without gateway takes the first gateway of its family, as CNI results are read."""
    lease = attachment.lease
    if lease is None:
        return
    for route in lease.routes:
        version = ipaddress.ip_network(route.dst, strict=False).version
        fallback = next((a.gateway for a in lease.addresses if a.gateway and _version(a.gateway) == version), None)
        explicit = route.gw is not None or route.scope is not None
        yield route if explicit or fallback is None else dataclasses.replace(route, gw=fallback)


def _gateways(attachment: Attachment, attachment_options: Mapping[str, Any]) -> tuple[str, ...]:
    """Gateways of the default routes to set: those of `default-route`; an empty list means the lease's own."""
    if "default_route" not in attachment_options:
        return ()
    addresses = attachment.lease.addresses if attachment.lease else ()
    gateways = tuple(attachment_options["default_route"]) or tuple(item.gateway for item in addresses if item.gateway)
    if not gateways:
        raise Unsupported(
            "default-route is asked for, but neither the annotation nor an IPPool of this network names a gateway",
            hint="list the gateway in default-route",
            subject=f"network {attachment.request.network}",
        )
    return tuple({_version(gateway): gateway for gateway in reversed(gateways)}.values())


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version


def _carrier(pod: Rtnl, ifname: str, call: Call) -> bool:
    """Wait a little for a carrier that comes late (a VF's); without one there is no neighbour to announce to."""
    waited = 0.0
    while waited < _CARRIER_SECONDS:
        link = pod.link(ifname)
        if link is not None and link.carrier:
            return True
        call.sleep(_CARRIER_POLL_SECONDS)
        waited += _CARRIER_POLL_SECONDS
    return False


def _findings(pod: Rtnl, attachment: Attachment, attachment_options: Mapping[str, Any]) -> Iterator[Finding]:
    ifname = attachment.request.ifname
    link = pod.link(ifname)
    if link is None:
        yield Finding(code="InterfaceMissing", message=f"interface {ifname} is not in the Pod", in_pod=True)
        return
    if not link.up:
        yield Finding(code="InterfaceDown", message=f"interface {ifname} is down", in_pod=True)
    if attachment.lease is None:
        return
    if attachment.lease.addresses:
        yield from _address_findings(pod, link, attachment.lease)
    yield from _route_findings(pod, link, attachment, attachment_options)


def _address_findings(pod: Rtnl, link: Link, lease: IpamLease) -> Iterator[Finding]:
    there = {item.cidr: item for item in pod.addresses(link.index)}
    for wanted in lease.addresses:
        found = there.get(wanted.address) or _same_address(there.values(), wanted.address)
        if found is None:
            yield Finding(code="AddressMissing", message=f"address {wanted.address} is not on {link.name}", in_pod=True)
        elif found.dad_failed:
            yield Finding(
                code="AddressDuplicate", message=f"another host has {wanted.address}", repairable=False, in_pod=True
            )


def _same_address(there: Iterable[Address], wanted: str) -> Address | None:
    """One address can be written in several ways."""
    value = ipaddress.ip_interface(wanted)
    return next((item for item in there if ipaddress.ip_interface(item.cidr) == value), None)


def _route_findings(
    pod: Rtnl, link: Link, attachment: Attachment, attachment_options: Mapping[str, Any]
) -> Iterator[Finding]:
    wanted = [(route.dst, route.table) for route in _routes(attachment)]
    wanted += [(_DEFAULTS[_version(gateway)], None) for gateway in _gateways(attachment, attachment_options)]
    if not wanted:
        return
    networks = [(ipaddress.ip_network(dst, strict=False), table or MAIN_TABLE) for dst, table in wanted]
    there = {
        (ipaddress.ip_network(route.dst), route.table)
        for family in {network.version for network, _ in networks}
        for route in pod.routes(link.index, family=family, table=None)
    }
    for (dst, _), network in zip(wanted, networks, strict=True):
        if network not in there:
            yield Finding(code="RouteMissing", message=f"route {dst} of {link.name} is missing", in_pod=True)
