"""The core's layer-3 step: what happens inside the Pod after the driver put the interface there, down and finished.

Order (measured): sysctls that make the kernel announce, addresses, link up (the kernel then sends the
gratuitous ARP and the unsolicited neighbour advertisement by itself), routes. What is replaced, the other default routes
under `default-route`, is recorded by the caller before `apply` and put back by `restore` while the namespace lives.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from secnet.contract import WRONG_MAC, WRONG_MTU, Attachment, Call, Finding, Gone, IpamLease, NotReady, freeze
from secnet.linux import announce
from secnet.linux.netns import in_netns
from secnet.linux.rtnl import Address, Link, Rtnl, pod_rtnl

from ..model.record import Record
from ._routes import DEFAULTS, add_route, gateways, redundant_routes, route_findings, version_of, wanted_routes
from ._source_rules import remove_source_rules, set_source_rules, source_findings, table_to_record
from ._sysctls import drop_advertised, set_sysctls, sysctl_findings
from ._taken_routes import give_back, routes_to_take, take
from .mtu import require_mtu

__all__ = ["Layer3"]

_CARRIER_SECONDS = 3.0
_CARRIER_POLL_SECONDS = 0.02
_ANNOUNCE_SECONDS = 0.05


class Layer3:
    """Addresses, link state and routes of the Pod's interface. Stateless."""

    def prior(self, record: Record) -> Mapping[str, Any]:
        """The record's `layer3` for the `apply` that follows: what it will replace, and what was replaced before.

        Read-only. The same as `record.layer3` where nothing is added, so that it may be called again for a repair.
        """
        families = {version_of(gateway) for gateway in gateways(record)}
        if not families and not record.layer3 and not _addresses(record):
            return record.layer3
        with pod_rtnl(record.attachment.request.netns) as (_, pod):
            link = _link(pod, record.attachment)
            taken = routes_to_take(pod, link.name, families, record.layer3)
            layer3: Mapping[str, Any] = freeze({**taken, **table_to_record(pod, link, record)})
        return layer3

    def apply(self, record: Record, call: Call) -> None:
        """Give the interface its addresses, bring it up, set its routes. Repeating it changes nothing.

        record: with the driver's result, and with what `prior` said in `layer3`. Raises InvalidConfig where the MTU is too small
        for an IPv6 address.
        """
        attachment, result = record.attachment, record.result
        ifname, addresses = attachment.request.ifname, _addresses(record)
        accept_ra = record.common.accept_ra
        with pod_rtnl(attachment.request.netns) as (fd, pod):
            with call.step("sysctl.set", interface=ifname):
                in_netns(fd, partial(set_sysctls, ifname, addresses, accept_ra=accept_ra))
            link = _link(pod, attachment)
            require_mtu(attachment, link.mtu)
            for address in addresses:
                with call.step("address.add", interface=ifname, address=address):
                    pod.add_address(link.index, address, nodad=True)
            if link.up and not accept_ra:  # it was up before: routers may have been heard
                drop_advertised(pod, link, call)
            with call.step("link.up", interface=ifname):
                pod.set_link(link.index, up=True)
            self._set_routes(pod, link, record, call)
            set_source_rules(pod, link, record, call)
            if result is not None and result.late_carrier and _carrier(pod, ifname, call):
                announce.announce(fd, ifname, link.mac, addresses, sleep=call.sleep, interval=_ANNOUNCE_SECONDS)

    def set_back(self, record: Record, codes: Collection[str], call: Call) -> None:
        """Give the living link the MAC or MTU of the attachment again, by the codes of what a check found. Raises what the kernel
        refuses, such as a MAC on a function that may not change it.
        """
        attachment = record.attachment
        mac = attachment.mac if WRONG_MAC in codes else None
        mtu = attachment.mtu if WRONG_MTU in codes else None
        if mac is None and mtu is None:
            return
        with pod_rtnl(attachment.request.netns) as (_, pod):
            link = _link(pod, attachment)
            with call.step("link.set_back", interface=link.name, mac=mac, mtu=mtu):
                pod.set_link(link.index, mac=mac, mtu=mtu)

    def check(self, record: Record, call: Call) -> tuple[Finding, ...]:
        """Deviations of addresses, link state and routes from the lease; read-only."""
        try:
            with pod_rtnl(record.attachment.request.netns) as (_, pod):
                return tuple(_findings(pod, record))
        except Gone as exc:
            return (Finding(code="NetnsGone", message=exc.message, repairable=False, in_pod=True),)

    def restore(self, record: Record, call: Call) -> None:
        """Restore what `apply` replaced, unless the namespace is gone or something took its place."""
        if not record.layer3:
            return
        try:
            with pod_rtnl(record.attachment.request.netns) as (_, pod):
                remove_source_rules(pod, record.layer3, call)
                give_back(pod, record.attachment.request.ifname, record.layer3, call)
        except Gone:
            return

    def _set_routes(self, pod: Rtnl, link: Link, record: Record, call: Call) -> None:
        for route in redundant_routes(record):
            call.log.info(
                "the route %s is the subnet of %s, which needs no route: it is left out", route.dst, link.name
            )
        for route in wanted_routes(record):
            with call.step("route.add", interface=link.name, dst=route.dst):
                add_route(pod, link, route)
        found = gateways(record)
        take(pod, link.name, {version_of(gateway) for gateway in found}, record.layer3, call)
        for gateway in found:
            with call.step("route.add", interface=link.name, dst=DEFAULTS[version_of(gateway)]):
                pod.add_route(link.index, DEFAULTS[version_of(gateway)], gw=gateway)


def _addresses(record: Record) -> list[str]:
    lease = record.attachment.lease
    return [item.address for item in lease.addresses] if lease else []


def _link(pod: Rtnl, attachment: Attachment) -> Link:
    link = pod.link(attachment.request.ifname)
    if link is None:
        raise NotReady(f"interface {attachment.request.ifname} is not in the Pod's network namespace")
    return link


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


def _findings(pod: Rtnl, record: Record) -> Iterator[Finding]:
    ifname, lease = record.attachment.request.ifname, record.attachment.lease
    link = pod.link(ifname)
    if link is None:
        yield Finding(code="InterfaceMissing", message=f"interface {ifname} is not in the Pod", in_pod=True)
        return
    if not link.up:
        yield Finding(code="InterfaceDown", message=f"interface {ifname} is down", in_pod=True)
    yield from sysctl_findings(link, accept_ra=record.common.accept_ra)
    if lease is None:
        return
    if lease.addresses:
        there = pod.addresses()
        yield from _address_findings(link, lease, there)
        yield from source_findings(pod, link, record, there)
    yield from route_findings(pod, link, record)


def _address_findings(link: Link, lease: IpamLease, addresses: tuple[Address, ...]) -> Iterator[Finding]:
    there = {item.cidr: item for item in addresses if item.index == link.index}
    for wanted in lease.addresses:
        found = there.get(wanted.address) or _same_address(there.values(), wanted.address)
        if found is None:
            message = f"address {wanted.address} is not on {link.name}"
            yield Finding(code="AddressMissing", message=message, in_pod=True)
        elif found.dad_failed:
            message = f"another host has {wanted.address}"
            yield Finding(code="AddressDuplicate", message=message, repairable=False, in_pod=True)


def _same_address(there: Iterable[Address], wanted: str) -> Address | None:
    """One address can be written in several ways."""
    value = ipaddress.ip_interface(wanted)
    return next((item for item in there if ipaddress.ip_interface(item.cidr) == value), None)
