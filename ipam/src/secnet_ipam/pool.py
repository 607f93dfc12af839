"""The specification of an IPPool (`crd.antrea.io/v1beta1`) and which of its addresses may be given away.

The rules are Antrea's, less its surprises (docs/ipam.md has the table): the gateway is never given, nor are the first and the
last address of an IPv4 subnet, nor the first of an IPv6 subnet, which is the subnet-router anycast address (RFC 4291, 2.6.1).
They are addresses of the *subnet*: a range that holds none of them loses nothing. On a /31 (RFC 3021) and on a /127
(RFC 6164) there are no such addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from secnet.contract import CLUSTER_SCOPE, InvalidConfig, ObjectKind, ObjectRef

from .findings import PoolFinding
from .ranges import RangeSet
from .subjects import pool_subject
from .text import BITS, format_address, read_address, read_prefix

__all__ = ["API_VERSION", "GROUP", "IP_POOL", "KIND", "Pool", "pool_name", "pool_ref", "read_pool", "read_spec"]

GROUP = "crd.antrea.io"
API_VERSION = f"{GROUP}/v1beta1"
KIND = "IPPool"

IP_POOL = ObjectKind(
    kind=KIND,
    group=GROUP,
    version=API_VERSION.rpartition("/")[2],
    plural="ippools",
    scope=CLUSTER_SCOPE,
    short_names=("ipp",),
)
"""Without a schema: `read_spec` says what is wrong with a pool, in words of its own."""

Report = Callable[[PoolFinding], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A valid IPPool, without its status.

    subnet: first and last address of the subnet. ranges: the addresses of `spec.ipRanges`. usable: those that may be given.
    spans: the ranges as written, in the order of the list. deleting: no new address may be given.
    """

    name: str
    family: int
    gateway: int
    prefix_length: int
    vlan: int
    subnet: tuple[int, int]
    spans: tuple[tuple[int, int], ...]
    ranges: RangeSet
    usable: RangeSet
    deleting: bool

    def text(self, address: int) -> str:
        """`ADDRESS/PREFIX` as a lease has it."""
        return f"{format_address(self.family, address)}/{self.prefix_length}"

    @property
    def subnet_text(self) -> str:
        """The subnet in CIDR notation."""
        return self.text(self.subnet[0])


def pool_name(obj: Mapping[str, Any]) -> str:
    """The name of an object, empty if it has none."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""


def pool_ref(name: str) -> ObjectRef:
    """The reference to a pool, for `waits_for` of an error."""
    return IP_POOL.ref(name)


def read_pool(obj: Mapping[str, Any]) -> Pool:
    """The pool of a live object. Raises InvalidConfig with the first thing that makes it unusable."""
    findings: list[PoolFinding] = []
    pool = read_spec(obj, findings.append)
    if pool is not None:
        return pool
    first = next(finding for finding in findings if finding.fatal)
    name = pool_name(obj)
    raise InvalidConfig(
        first.message, hint=first.hint, subject=pool_subject(name), path=first.path, waits_for=(pool_ref(name),)
    )


def read_spec(obj: Mapping[str, Any], report: Report) -> Pool | None:
    """The pool, or None when something fatal was reported. Reports every finding, not only the first."""
    fatal = 0

    def note(finding: PoolFinding) -> None:
        nonlocal fatal
        fatal += finding.fatal
        report(finding)

    name = pool_name(obj)
    if not name:
        note(PoolFinding(path="$.metadata.name", message="an IPPool needs a name", hint="set metadata.name"))
    version = obj.get("apiVersion", API_VERSION)
    if version != API_VERSION:
        hint = f"write the pool as {API_VERSION}: gateway, prefixLength and vlan go into spec.subnetInfo"
        note(PoolFinding(path="$.apiVersion", message=f"{version!r} is not {API_VERSION}", hint=hint))
    spec = _mapping(obj, "spec", "$", note)
    _unknown_keys(spec, ("ipRanges", "subnetInfo"), "$.spec", note)
    info = _read_subnet_info(_mapping(spec, "subnetInfo", "$.spec", note), note)
    spans = _read_ranges(spec.get("ipRanges"), note)
    if info is None or fatal:
        return None
    family, gateway, length, vlan = info
    host_bits = (1 << (BITS[family] - length)) - 1
    subnet = (gateway & ~host_bits, gateway | host_bits)
    _check_ranges(spans, family, subnet, f"{format_address(family, subnet[0])}/{length}", note)
    if fatal:
        return None
    ranges = RangeSet((span.first, span.last) for span in spans)
    return Pool(
        name=name,
        family=family,
        gateway=gateway,
        prefix_length=length,
        vlan=vlan,
        subnet=subnet,
        spans=tuple((span.first, span.last) for span in spans),
        ranges=ranges,
        usable=ranges.without([gateway, *_reserved(family, length, subnet)]),
        deleting=bool(obj["metadata"].get("deletionTimestamp")),
    )


def _reserved(family: int, length: int, subnet: tuple[int, int]) -> tuple[int, ...]:
    if BITS[family] - length < 2:
        return ()
    return subnet if family == 4 else subnet[:1]


def _mapping(parent: Mapping[str, Any], key: str, path: str, note: Report) -> Mapping[str, Any]:
    value = parent.get(key)
    if isinstance(value, Mapping):
        return value
    note(PoolFinding(path=f"{path}.{key}", message=f"{key} must be an object", hint=f"write {key} as a mapping"))
    return {}


def _unknown_keys(value: Mapping[str, Any], known: tuple[str, ...], path: str, note: Report) -> None:
    for key in value:
        if key not in known:
            hint = f"known here: {', '.join(known)}"
            note(
                PoolFinding(
                    path=f"{path}.{key}", message=f"{key} is not known and has no effect", hint=hint, fatal=False
                )
            )


def _read_subnet_info(info: Mapping[str, Any], note: Report) -> tuple[int, int, int, int] | None:
    """Family, gateway, prefix length and VLAN, or None when the gateway or the length cannot be read."""
    path = "$.spec.subnetInfo"
    _unknown_keys(info, ("gateway", "prefixLength", "vlan"), path, note)
    vlan = info.get("vlan", 0)
    if not _is_int(vlan) or not 0 <= vlan <= 4094:
        hint = "use 1 to 4094, or leave it out for untagged"
        note(PoolFinding(path=f"{path}.vlan", message=f"{vlan!r} is not a VLAN id", hint=hint))
    try:
        family, gateway = read_address(info.get("gateway"))
    except ValueError as exc:
        hint = "give the address of the subnet's gateway, without prefix length"
        note(PoolFinding(path=f"{path}.gateway", message=str(exc), hint=hint))
        return None
    length, longest = info.get("prefixLength"), BITS[family] - 1
    if not _is_int(length) or not 1 <= length <= longest:
        message = f"{length!r} is not a prefix length of an IPv{family} subnet"
        note(PoolFinding(path=f"{path}.prefixLength", message=message, hint=f"use a number from 1 to {longest}"))
        return None
    return family, gateway, length, vlan


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


class _Span(NamedTuple):
    """One range as written: its place in the list, family, first and last address."""

    place: int
    family: int
    first: int
    last: int

    @property
    def path(self) -> str:
        return f"$.spec.ipRanges[{self.place}]"


def _read_ranges(value: Any, note: Report) -> list[_Span]:
    if not isinstance(value, list | tuple) or not value:
        hint = "list ranges, each as {cidr: ...} or {start: ..., end: ...}"
        note(PoolFinding(path="$.spec.ipRanges", message="ipRanges must be a list with at least one range", hint=hint))
        return []
    spans = []
    for index, item in enumerate(value):
        path = f"$.spec.ipRanges[{index}]"
        try:
            family, first, last = _read_range(item)
        except ValueError as exc:
            hint = "write {cidr: ADDRESS/LENGTH}, or {start: ADDRESS, end: ADDRESS} with start not above end"
            note(PoolFinding(path=path, message=str(exc), hint=hint))
        else:
            spans.append(_Span(index, family, first, last))
            _unknown_keys(item, ("cidr", "start", "end"), path, note)
    return spans


def _read_range(item: Any) -> tuple[int, int, int]:
    if not isinstance(item, Mapping):
        raise ValueError(f"{item!r} is not a range")
    bounds = [key for key in ("start", "end") if key in item]
    if "cidr" in item and not bounds:
        family, value, length = read_prefix(item["cidr"])
        host_bits = (1 << (BITS[family] - length)) - 1
        return family, value & ~host_bits, value | host_bits
    if "cidr" in item or len(bounds) < 2:
        raise ValueError(f"a range has either cidr, or start and end; this one has {', '.join(item) or 'nothing'}")
    (family, first), (other, last) = read_address(item["start"]), read_address(item["end"])
    if family != other or first > last:
        raise ValueError(f"start {item['start']} is not at or below end {item['end']}")
    return family, first, last


def _check_ranges(spans: list[_Span], family: int, subnet: tuple[int, int], text: str, note: Report) -> None:
    for span in spans:
        if span.family != family or span.first < subnet[0] or span.last > subnet[1]:
            hint = "move the range into the subnet of gateway and prefixLength, or correct these"
            note(PoolFinding(path=span.path, message=f"the range is not inside the subnet {text}", hint=hint))
    ordered = sorted(spans, key=lambda span: span[1:])
    for below, above in pairwise(ordered):
        if below.family == above.family and above.first <= below.last:
            earlier, later = sorted((below, above))
            message = f"the range overlaps with {earlier.path}"
            note(PoolFinding(path=later.path, message=message, hint="give each address to one range only"))
