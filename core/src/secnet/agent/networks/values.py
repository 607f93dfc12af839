"""The values of a network selection element, one parser a key (multi-net-spec v1.3, rules 4.1.2.1.*).

Each takes the JSON value, returns it in canonical form, and raises BadValue for what the rule does not allow. A null or an
empty string is malformed like anything else: leaving the key out is how a Pod asks for nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ..text.json_text import show, suggest

__all__ = [
    "BadValue",
    "bandwidth",
    "cni_args",
    "default_route",
    "guid",
    "interface",
    "ips",
    "mac",
    "object_name",
    "port_mappings",
]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_LIMIT = 253
_IFNAME = re.compile(r"[!-~]{1,15}")  # printable ASCII without the space; the kernel counts 15 bytes
_IFNAME_FORBIDDEN = "/:%"  # the first two by the kernel; "%d" in a name means "pick a number"
_IFNAME_RESERVED = {
    "eth0": "it is the Pod's primary interface",
    "lo": "it is the loopback interface",
    "all": "net/ipv4/conf/all is something else",
    "default": "net/ipv4/conf/default is something else",
    ".": "it is not a valid file name",
    "..": "it is not a valid file name",
}
_RATES = {"ingressBurst": "ingressRate", "egressBurst": "egressRate"}
_BANDWIDTH_KEYS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
_PORT_KEYS = ("hostPort", "containerPort", "protocol", "hostIP")
_PROTOCOLS = ("tcp", "udp", "sctp")
_INT64_MAX = 2**63 - 1


class BadValue(ValueError):
    """A value that breaks its rule; `path` leads from the key's value to the culprit."""

    def __init__(self, message: str, hint: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path


def object_name(value: Any) -> str:
    """A name of a Kubernetes object: DNS labels joined by dots (3.3)."""
    text = _string(value, "a name")
    if len(text) > _NAME_LIMIT or not _NAME.fullmatch(text):
        hint = "use lower-case letters, digits, '-' and '.'"
        if "/" in text:
            hint = "put the namespace into the key namespace, not into the name"
        raise BadValue(f"{show(text)} is not a valid object name", hint)
    return text


def interface(value: Any) -> str:
    """A name that the kernel takes and that is not spoken for in a Pod (4.1.2.1.5)."""
    text = _string(value, "an interface name")
    if text in _IFNAME_RESERVED:
        raise BadValue(
            f"{show(text)} cannot be an interface name here: {_IFNAME_RESERVED[text]}", "choose another, such as net1"
        )
    if not _IFNAME.fullmatch(text) or any(mark in text for mark in _IFNAME_FORBIDDEN):
        raise BadValue(
            f"{show(text)} is not a valid interface name",
            "use 1 to 15 printable ASCII characters without spaces, '/', ':' and '%'",
        )
    return text


def mac(value: Any) -> str:
    """A unicast Ethernet address, 6 bytes (4.1.2.1.4); accepted with `:`, `-` or `.`, returned lower-case with `:`."""
    octets = _hardware_address(value, 6, "a MAC address", "aa:bb:cc:dd:ee:01")
    if octets[0] & 1:
        raise BadValue(
            f"{show(value)} is a multicast MAC address",
            "make the first byte even: an interface needs a unicast address",
        )
    if not any(octets):
        raise BadValue(f"{show(value)} is no unicast address", "give a unicast address, or leave it out to get one")
    return octets.hex(":")


def guid(value: Any) -> str:
    """An InfiniBand GUID, 8 bytes (4.1.2.1.10)."""
    return _hardware_address(value, 8, "an InfiniBand GUID", "00:11:22:33:44:55:66:77").hex(":")


def ips(value: Any) -> tuple[str, ...]:
    """At least one address, each with or without prefix length (4.1.2.1.3); canonical spelling."""
    items = _list(value, "addresses")
    if not items:
        raise BadValue("the list of addresses is empty", "name at least one address, or remove the key")
    found: list[str] = []
    seen: set[Any] = set()
    for position, item in enumerate(items):
        parsed, text = _address(item, position, prefix=True)
        if parsed in seen:
            raise BadValue(f"{show(item)} is listed twice", "name each address once", position)
        seen.add(parsed)
        found.append(text)
    return tuple(found)


def default_route(value: Any) -> tuple[str, ...]:
    """Gateways, possibly none (4.1.2.1.9)."""
    return tuple(_address(item, position, prefix=False)[1] for position, item in enumerate(_list(value, "gateways")))


def bandwidth(value: Any) -> Mapping[str, int]:
    """At least one of four positive integers in bits; a burst needs its rate (4.1.2.1.8)."""
    found: dict[str, int] = {}
    for key, item in _object(value, _BANDWIDTH_KEYS).items():
        found[key] = _integer(item, 1, _INT64_MAX, key)
    if not found:
        raise BadValue("none of its keys is given", f"give at least one of {', '.join(_BANDWIDTH_KEYS)}")
    for burst, rate in _RATES.items():
        if burst in found and rate not in found:
            raise BadValue(f"{burst} needs {rate}", f"add {rate}, or remove {burst}", burst)
    return found


def port_mappings(value: Any) -> tuple[Mapping[str, Any], ...]:
    """At least one mapping of two ports; the protocol is TCP unless given (4.1.2.1.7)."""
    items = _list(value, "port mappings")
    if not items:
        raise BadValue("the list of port mappings is empty", "map at least one port, or remove the key")
    found = []
    for position, item in enumerate(items):
        try:
            found.append(_port_mapping(item))
        except BadValue as exc:
            raise BadValue(exc.message, exc.hint, position, *exc.path) from exc
    return tuple(found)


def cni_args(value: Any) -> Mapping[str, Any]:
    """An object of whatever (4.1.2.1.6)."""
    if not isinstance(value, dict):
        raise BadValue(f"{show(value)} where an object is required", "write an object, or remove the key")
    return value


def _port_mapping(value: Any) -> dict[str, Any]:
    item = _object(value, _PORT_KEYS)
    found: dict[str, Any] = {}
    for key in ("hostPort", "containerPort"):
        if key not in item:
            raise BadValue(f"{key} is missing", "give hostPort and containerPort, each 1 to 65535", key)
        found[key] = _integer(item[key], 1, 65535, key)
    protocol = item.get("protocol", "tcp")
    if not isinstance(protocol, str) or protocol.lower() not in _PROTOCOLS:
        raise BadValue(f"{show(protocol)} is not a protocol", "use TCP, UDP or SCTP", "protocol")
    found["protocol"] = protocol.lower()
    if "hostIP" in item:
        found["hostIP"] = _host_ip(item["hostIP"])
    return found


def _host_ip(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(_string(value, "an address").replace("%", "/")))
    except ValueError as exc:
        raise BadValue(f"{show(value)} is not an IP address", "write an IPv4 or IPv6 address", "hostIP") from exc


def _string(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadValue(f"{show(value)} where {what} is required", f"write {what} as a string, or remove the key")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadValue(f"{show(value)} where a list of {what} is required", "put the value into a list: [...]")
    return value


def _object(value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    """The object with its keys in canonical case."""
    if not isinstance(value, dict):
        raise BadValue(f"{show(value)} where an object is required", f"write an object with keys of {', '.join(known)}")
    by_lower = {key.lower(): key for key in known}
    found: dict[str, Any] = {}
    for written, item in value.items():
        key = by_lower.get(written.lower())
        if key is None:
            raise BadValue(f"unknown key {show(written)}", suggest(written, known), written)
        if key in found:
            raise BadValue(f"the key {key} is given twice, in different case", "keep one of them", written)
        found[key] = item
    return found


def _integer(value: Any, low: int, high: int, key: str) -> int:
    if type(value) is not int or not low <= value <= high:  # neither true nor 100.0 is an integer here
        limits = f"from {low} to {high}" if high != _INT64_MAX else "above 0"
        raise BadValue(
            f"{show(value)} where an integer {limits} is required", f"write an integer {limits}, without quotes", key
        )
    return value


def _hardware_address(value: Any, length: int, what: str, example: str) -> bytes:
    text = _string(value, what)
    octets = b""
    for pattern, mark in ((r"[0-9a-f]{2}(:[0-9a-f]{2})*", ":"), (r"[0-9a-f]{2}(-[0-9a-f]{2})*", "-"), (_DOTTED, ".")):
        if re.fullmatch(pattern, text.lower(), re.ASCII):
            octets = bytes.fromhex(text.replace(mark, ""))
            break
    if len(octets) != length:
        raise BadValue(f"{show(text)} is not {what} of {length} bytes", f"write it as in {example}")
    if not any(octets):
        raise BadValue(f"{show(text)} is all zero", f"write {what} such as {example}, or remove the key")
    return octets


_DOTTED = r"[0-9a-f]{4}(\.[0-9a-f]{4})*"


def _address(value: Any, position: int, *, prefix: bool) -> tuple[Any, str]:
    """The address as an object, and canonical text with the prefix length if one is given (and allowed)."""
    what = "an IP address, optionally with prefix length" if prefix else "an IP address without prefix length"
    hint = "write it as in 10.0.0.5/24 or 2001:db8::5" if prefix else "write it as in 10.0.0.1 or 2001:db8::1"
    wrong = BadValue(f"{show(value)} is not {what}", hint, position)
    if not isinstance(value, str):
        raise wrong
    text, slash, length = value.partition("/")
    # ipaddress also takes zone ids and netmasks, which no rule of the annotation knows.
    if "%" in text or (slash and not (prefix and re.fullmatch(r"[0-9]{1,3}", length, re.ASCII))):
        raise wrong
    try:
        parsed = ipaddress.ip_interface(value)
    except ValueError as exc:
        raise wrong from exc
    address = parsed.ip
    if address.is_multicast or address.is_unspecified:
        raise BadValue(f"{show(value)} is no address of a single interface", hint, position)
    return address, f"{address}/{parsed.network.prefixlen}" if slash else str(address)
