"""Rules of policy routing: which routing table a packet's source address leads to."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass

from .connection import Connection, NetlinkError, given
from .replies import address, attributes, fields, number

__all__ = ["RuleRequests", "SourceRule"]

_TO_TABLE = 1  # FR_ACT_TO_TBL
_HEADER = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr
_SRC, _PRIORITY, _TABLE = 2, 6, 15
_WANTED = frozenset((_SRC, _PRIORITY, _TABLE))
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """Packets from `source`, a prefix, look for their route in `table` first; among rules the lowest priority comes first."""

    source: str
    table: int
    priority: int


class RuleRequests(Connection):
    """Requests about rules that go by the source address."""

    def source_rules(self, family: int) -> tuple[SourceRule, ...]:
        """The rules of a family (4 or 6) that lead from a source prefix to a table."""
        bodies = self._dump("rule", "listing the rules", header={"family": _FAMILIES[family]})
        return tuple(rule for rule in map(_parse, bodies) if rule is not None)

    def tables_of_rules(self) -> frozenset[int]:
        """The tables that any rule of either family leads to, whatever it goes by."""
        bodies = (
            body
            for number in _FAMILIES.values()
            for body in self._dump("rule", "listing the rules", header={"family": number})
        )
        return frozenset(_table(body) for body in bodies)

    def add_source_rule(self, rule: SourceRule) -> None:
        """Add a rule; one that is there is success."""
        try:
            self._try("rule", "add", attrs=_attrs(rule), header=_header(rule))
        except NetlinkError as fault:
            if fault.code != errno.EEXIST:
                raise self._error(fault, f"adding the rule from {rule.source}", rule.source) from fault

    def delete_source_rule(self, rule: SourceRule) -> None:
        """Remove a rule; one that is gone is success."""
        try:
            self._try("rule", "del", attrs=_attrs(rule), header=_header(rule))
        except NetlinkError as fault:
            if fault.code not in (errno.ENOENT, errno.ESRCH):
                raise self._error(fault, f"removing the rule from {rule.source}", rule.source) from fault


def _header(rule: SourceRule) -> dict[str, int]:
    network = ipaddress.ip_network(rule.source)
    return {"family": _FAMILIES[network.version], "src_len": network.prefixlen, "action": _TO_TABLE}


def _attrs(rule: SourceRule) -> list[tuple[str, object]]:
    start = str(ipaddress.ip_network(rule.source).network_address)
    return given(FRA_SRC=start, FRA_PRIORITY=rule.priority, FRA_TABLE=rule.table)


def _parse(body: bytes) -> SourceRule | None:
    _, _, prefix, _, _, _, _, action, _ = fields(_HEADER, body)
    attrs = attributes(body, _HEADER.size, _WANTED)
    if action != _TO_TABLE or _SRC not in attrs:
        return None
    source = f"{address(attrs[_SRC])}/{prefix}"
    return SourceRule(source=source, table=_table(body), priority=number(attrs.get(_PRIORITY)))


def _table(body: bytes) -> int:
    table: int = fields(_HEADER, body)[4]
    attrs = attributes(body, _HEADER.size, (_TABLE,))
    return number(attrs[_TABLE]) if _TABLE in attrs else table
