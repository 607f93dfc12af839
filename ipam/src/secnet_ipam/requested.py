"""Addresses that a Pod insists on (`ips` of its annotation; multi-net-spec v1.3, 4.1.2.1.3: the network must assign them)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from secnet.contract import Conflict, InvalidConfig, Unsupported

from .config import StaticAddress, read_host
from .pool import Pool, pool_ref
from .text import format_address, read_address

__all__ = ["assign", "read_full"]

_PATH = "ips"


def read_full(ips: Sequence[str]) -> tuple[StaticAddress, ...]:
    """Requested addresses that must carry their prefix length, for a backend that knows no subnet. Raises InvalidConfig."""
    found: dict[tuple[int, int], StaticAddress] = {}
    for text in ips:
        try:
            family, value, length = read_host(text)
        except ValueError as exc:
            hint = "write a host's address with its prefix length, such as 10.10.0.5/24"
            raise InvalidConfig(f"requested address: {exc}", hint=hint, path=_PATH) from exc
        if (family, value) in found:
            raise _twice(text)
        found[family, value] = StaticAddress(family=family, value=value, prefix_length=length)
    return tuple(found.values())


def _twice(text: str) -> InvalidConfig:
    return InvalidConfig(f"{text} is requested twice", hint="list each address once", path=_PATH)


def assign(ips: Sequence[str], pools: Sequence[Pool], static: Sequence[StaticAddress]) -> Mapping[str, int]:
    """Which pool gives which requested address: pool name -> address. One the NAD itself lists needs no pool.

    Each pool gives one address. Raises InvalidConfig for text that is no address, Conflict for one that no listed pool may
    ever give, Unsupported when the pools are fewer than the addresses wanted of them.
    """
    wanted: list[tuple[str, list[Pool], int]] = []
    seen: set[tuple[int, int]] = set()
    for text in ips:
        family, value, length = _read(text)
        if (family, value) in seen:
            raise _twice(text)
        seen.add((family, value))
        own = next((item for item in static if (item.family, item.value) == (family, value)), None)
        if own is not None:
            _same_length(text, length, own.prefix_length, "the NAD's own address")
        else:
            wanted.append((text, _candidates(text, family, value, length, pools), value))
    return _match(wanted)


def _read(text: str) -> tuple[int, int, int | None]:
    try:
        if "/" in text:
            return read_host(text)
        family, value = read_address(text)
    except ValueError as exc:
        hint = "write ADDRESS or ADDRESS/PREFIX"
        raise InvalidConfig(f"requested address: {exc}", hint=hint, path=_PATH) from exc
    return family, value, None


def _same_length(text: str, length: int | None, expected: int, whose: str) -> None:
    if length is not None and length != expected:
        message = f"{text} was requested, but {whose} has prefix length {expected}"
        raise InvalidConfig(message, hint=f"write /{expected}, or no prefix length", path=_PATH)


def _candidates(text: str, family: int, value: int, length: int | None, pools: Sequence[Pool]) -> list[Pool]:
    around = [pool for pool in pools if pool.family == family and value in pool.ranges]
    usable = [pool for pool in around if value in pool.usable]
    if not usable:
        raise Conflict(
            f"{text} was requested, but {_why_not(family, value, around, pools)}",
            hint="ask for an address in the ranges of the network's IPPools, or leave ips out",
            path=_PATH,
            waits_for=tuple(pool_ref(pool.name) for pool in pools),
        )
    for pool in usable:
        _same_length(text, length, pool.prefix_length, f"IPPool {pool.name}")
    return usable


def _why_not(family: int, value: int, around: Sequence[Pool], pools: Sequence[Pool]) -> str:
    if around:
        kind = "gateway" if value == around[0].gateway else "network or broadcast address"
        return f"{format_address(family, value)} is the {kind} of IPPool {around[0].name}"
    if pools:
        return f"it lies in no range of IPPool {', '.join(pool.name for pool in pools)}"
    return "this network has no IPPool, and it is none of the addresses in the NAD"


def _match(wanted: Sequence[tuple[str, list[Pool], int]]) -> dict[str, int]:
    """Give each address a pool of its own; a pool may pass to another address if its first one fits elsewhere too.

    Addresses in the order of a lease come back to the pools that they were of: a free pool goes before one that must pass.
    """
    taken: dict[str, int] = {}

    def place(index: int, tried: set[str]) -> bool:
        for pool in sorted(wanted[index][1], key=lambda pool: pool.name in taken):
            if pool.name in tried:
                continue
            tried.add(pool.name)
            if pool.name not in taken or place(taken[pool.name], tried):
                taken[pool.name] = index
                return True
        return False

    for index, (text, pools, _) in enumerate(wanted):
        if not place(index, set()):
            names = ", ".join(pool.name for pool in pools)
            raise Unsupported(
                f"{text} was requested, but IPPool {names} gives one address to an interface, and others are requested of it",
                hint="list one more IPPool in the NAD for each further address, or ask for fewer",
                path=_PATH,
            )
    return {name: wanted[index][2] for name, index in taken.items()}
