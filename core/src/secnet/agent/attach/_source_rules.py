"""Two interfaces of a Pod in one subnet: what is sent from an address leaves by the interface that has it.

The kernel goes by the destination alone, so that one interface would answer for both. A rule leads what comes from an address of
ours to a routing table of the interface, which has nothing but the interface's subnets (docs/decisions/0028). An interface that
shares no subnet has neither rule nor table.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from secnet.contract import Call, Finding
from secnet.linux.rtnl import Address, Link, Rtnl, SourceRule

from ..model.record import Record

__all__ = ["remove_source_rules", "set_source_rules", "source_findings", "table_to_record"]

_KEY = "source_table"
_FIRST_TABLE = 20000
_PRIORITY = 30000  # before the main table's 32766, and before the rules of the CNI plugin sbr
_PROBES = 4

_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def table_to_record(pod: Rtnl, link: Link, record: Record) -> dict[str, Any]:
    """The table that the interface has or needs; nothing if it shares no subnet.

    A recorded one that was given up by a detach, while the repair went no further, may be another interface's by now.
    """
    known = record.layer3.get(_KEY)
    if known is None and not any(_shared(pod.addresses(), link, record)):
        return {}
    routes = pod.routes(table=None)
    if known is not None and not any(route.table == known and route.index != link.index for route in routes):
        return {_KEY: known}
    used = pod.tables_of_rules() | {route.table for route in routes}
    return {_KEY: next(table for table in range(_FIRST_TABLE, 2**31) if table not in used)}


def set_source_rules(pod: Rtnl, link: Link, record: Record, call: Call) -> None:
    """Fill the recorded table, and lead what comes from each address there. Rules of former addresses go."""
    table = record.layer3.get(_KEY)
    if table is None:
        return
    for own, other in _shared(pod.addresses(), link, record):
        call.log.info("%s and %s share the subnet %s", link.name, pod.link_name(other.index), own.network)
    wanted = {_rule(own, table): own for own in _own(record)}
    for family in (4, 6):
        for rule in pod.source_rules(family):
            if rule.table == table and rule not in wanted:
                with call.step("rule.delete", source=rule.source, table=table):
                    pod.delete_source_rule(rule)
    for rule, own in wanted.items():
        with call.step("route.add", interface=link.name, dst=str(own.network), table=table):
            pod.add_route(link.index, str(own.network), table=table, source=str(own.ip) if own.version == 4 else None)
        with call.step("rule.add", source=rule.source, table=table):
            pod.add_source_rule(rule)


def remove_source_rules(pod: Rtnl, layer3: Mapping[str, Any], call: Call) -> None:
    """Remove the rules of an interface that is gone; its routes went with it."""
    table = layer3.get(_KEY)
    for family in (4, 6) if table is not None else ():
        for rule in pod.source_rules(family):
            if rule.table == table:
                with call.step("rule.delete", source=rule.source, table=table):
                    pod.delete_source_rule(rule)


def source_findings(pod: Rtnl, link: Link, record: Record, addresses: tuple[Address, ...]) -> Iterator[Finding]:
    """Addresses from which the Pod would answer a neighbour by another interface, whatever rules or routes say so.

    Where ours stand and the Pod has rules that come before them, that is the Pod's choice. addresses: all of the Pod.
    """
    there = {ipaddress.ip_interface(item.cidr).ip for item in addresses if item.index == link.index}
    for own, other in _shared(addresses, link, record):
        if own.ip not in there:
            continue
        neighbour = _neighbour(own, other, addresses)
        by = pod.link_of_lookup(str(own.ip), neighbour) if neighbour else link.index
        if by != link.index and not _stands(pod, link, own, record.layer3.get(_KEY)):
            how = f"leaves by {pod.link_name(by)} instead of {link.name}" if by else "is not sent at all"
            yield Finding(code="WrongSourceRoute", message=f"what is sent from {own.ip} {how}", in_pod=True)


def _stands(pod: Rtnl, link: Link, own: _Interface, table: int | None) -> bool:
    """Whether the rule and the route for an address are there."""
    if table is None or _rule(own, table) not in pod.source_rules(own.version):
        return False
    routes = pod.routes(link.index, family=own.version, table=table)
    return any(route.dst == str(own.network) for route in routes)


def _own(record: Record) -> list[_Interface]:
    """The addresses that have neighbours."""
    lease = record.attachment.lease
    found = [ipaddress.ip_interface(item.address) for item in (lease.addresses if lease else ())]
    return [item for item in found if item.network.num_addresses > 1]


def _shared(addresses: tuple[Address, ...], link: Link, record: Record) -> Iterator[tuple[_Interface, Address]]:
    """Each own address, with one of another interface whose subnet overlaps."""
    others = [(item, ipaddress.ip_interface(item.cidr)) for item in addresses if item.index != link.index]
    for own in _own(record):
        for item, other in others:
            if other.version == own.version and other.network.num_addresses > 1 and other.network.overlaps(own.network):
                yield own, item
                break


def _neighbour(own: _Interface, other: Address, addresses: tuple[Address, ...]) -> str | None:
    """An address of both subnets that is not the Pod's; None in a subnet too small for one."""
    narrow = min(own.network, ipaddress.ip_interface(other.cidr).network, key=lambda network: network.num_addresses)
    local = {str(ipaddress.ip_interface(item.cidr).ip) for item in addresses}
    return next((text for text in map(str, islice(narrow.hosts(), len(local) + _PROBES)) if text not in local), None)


def _rule(own: _Interface, table: int) -> SourceRule:
    return SourceRule(source=str(ipaddress.ip_network(own.ip)), table=table, priority=_PRIORITY)
