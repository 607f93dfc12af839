"""What a physical function keeps for its virtual functions, and setting it: the attributes of `ip link set PF vf N`.

The attributes are packed here: pyroute2 has no padding in the list that carries the VLAN protocol, and the kernel wants it.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from secnet.contract import InvalidConfig, NotReady

from .connection import NetlinkError
from .links import LinkRequests
from .replies import attributes, each, mac, number

__all__ = ["LINK_STATES", "VLAN_PROTOCOLS", "VfRequests", "VirtualFunction"]

VLAN_PROTOCOLS: Mapping[str, int] = MappingProxyType({"802.1q": 0x8100, "802.1ad": 0x88A8})
LINK_STATES = ("auto", "enable", "disable")

_LINK_HEADER = 16  # struct ifinfomsg
# Attributes and structures of linux/if_link.h.
_NUM_VF, _VFINFO_LIST, _VF_INFO = 21, 22, 1
_MAC, _VLAN, _SPOOFCHK, _LINK_STATE, _RATE, _TRUST, _VLAN_LIST, _VLAN_INFO = 1, 2, 4, 5, 6, 9, 12, 1
_WANTED = frozenset({_MAC, _VLAN, _SPOOFCHK, _LINK_STATE, _RATE, _TRUST, _VLAN_LIST})
_MAC_OF = struct.Struct("=I32s")
_VLAN_OF = struct.Struct("=III")
_TAG_OF = struct.Struct("=III2s2x")
_VALUE_OF = struct.Struct("=II")
_RATE_OF = struct.Struct("=III")
_ATTRIBUTE = struct.Struct("=HH")
_UNKNOWN = 0xFFFFFFFF  # the driver does not say

_WITH_VFS = [("IFLA_EXT_MASK", 1 | 8)]  # RTEXT_FILTER_VF, RTEXT_FILTER_SKIP_STATS
_ANSWER = 1 << 18  # 256 functions with 250 bytes each are more than a usual answer


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualFunction:
    """What the physical function keeps for one of its virtual functions.

    mac: the administrative address, `00:00:00:00:00:00` where none is set. vlan: 0 is untagged. proto: `802.1q` or `802.1ad`.
    spoofchk, trust: None where the driver knows no such thing. link_state: `auto`, `enable` or `disable`.
    min_tx_rate, max_tx_rate: Mbit/s, 0 for no limit.
    """

    number: int
    mac: str = "00:00:00:00:00:00"
    vlan: int = 0
    qos: int = 0
    proto: str = "802.1q"
    spoofchk: bool | None = None
    trust: bool | None = None
    link_state: str = "auto"
    min_tx_rate: int = 0
    max_tx_rate: int = 0


class VfRequests(LinkRequests):
    """Requests about the virtual functions of a physical one. Each setting is one message and is accepted or refused alone."""

    def virtual_functions(self, index: int) -> tuple[VirtualFunction, ...]:
        """Those of the physical function with this link index, by number. Raises NotReady if the link is gone."""
        doing = "reading the virtual functions of"
        try:
            bodies = self._try("link", "get", attrs=_WITH_VFS, header={"index": index}, size=_ANSWER)
        except NetlinkError as fault:
            raise self._error(fault, f"{doing} {self.link_name(index)}") from fault
        found = attributes(bodies[0], _LINK_HEADER, (_VFINFO_LIST, _NUM_VF))
        functions = [_parse(info) for info in each(found.get(_VFINFO_LIST, b""), _VF_INFO)]
        if len(functions) < number(found.get(_NUM_VF)):
            too_few = NetlinkError(errno.EMSGSIZE, "the kernel left some out")
            raise self._error(too_few, f"{doing} {self.link_name(index)}")
        return tuple(sorted(functions, key=lambda item: item.number))

    def virtual_function(self, index: int, vf: int) -> VirtualFunction:
        """One of them. Raises NotReady if there is none of this number."""
        for function in self.virtual_functions(index):
            if function.number == vf:
                return function
        raise NotReady(
            f"{self.link_name(index)} has no virtual function {vf}",
            hint="it is tried again; check sriov_numvfs of the card",
        )

    def set_vf_vlan(self, index: int, vf: int, vlan: int, qos: int = 0, proto: str = "802.1q") -> None:
        """Tag what the function sends, 0 for no tag. A card that cannot do the protocol raises Unsupported."""
        if proto not in VLAN_PROTOCOLS:
            raise InvalidConfig(f"{proto!r} is no VLAN protocol", hint=f"take one of {', '.join(VLAN_PROTOCOLS)}")
        if proto == "802.1q":  # all drivers know this one
            payload = _attribute(_VLAN, _VLAN_OF.pack(vf, vlan, qos))
        else:
            tag = _TAG_OF.pack(vf, vlan, qos, VLAN_PROTOCOLS[proto].to_bytes(2, "big"))
            payload = _attribute(_VLAN_LIST, _attribute(_VLAN_INFO, tag))
        self._set_vf(index, vf, f"VLAN {vlan}, priority {qos}, protocol {proto}", payload)

    def set_vf_mac(self, index: int, vf: int, address: str) -> None:
        """The administrative address; all zeros take it away."""
        octets = bytes.fromhex(address.replace(":", ""))
        self._set_vf(index, vf, f"MAC {address}", _attribute(_MAC, _MAC_OF.pack(vf, octets)))

    def set_vf_spoofchk(self, index: int, vf: int, on: bool) -> None:
        """Whether the card drops frames with another source address than the function's."""
        self._set_vf(index, vf, f"spoofchk {_word(on)}", _attribute(_SPOOFCHK, _VALUE_OF.pack(vf, on)))

    def set_vf_trust(self, index: int, vf: int, on: bool) -> None:
        """Whether the function may change its address and receive all."""
        self._set_vf(index, vf, f"trust {_word(on)}", _attribute(_TRUST, _VALUE_OF.pack(vf, on)))

    def set_vf_link_state(self, index: int, vf: int, state: str) -> None:
        """One of LINK_STATES."""
        payload = _attribute(_LINK_STATE, _VALUE_OF.pack(vf, LINK_STATES.index(state)))
        self._set_vf(index, vf, f"link state {state}", payload)

    def set_vf_rate(self, index: int, vf: int, min_tx_rate: int, max_tx_rate: int) -> None:
        """Both limits of sending in Mbit/s, 0 for none: the kernel takes them together."""
        payload = _attribute(_RATE, _RATE_OF.pack(vf, min_tx_rate, max_tx_rate))
        self._set_vf(index, vf, f"rates {min_tx_rate} to {max_tx_rate} Mbit/s", payload)

    def _set_vf(self, index: int, vf: int, what: str, payload: bytes) -> None:
        tail = _attribute(_VFINFO_LIST, _attribute(_VF_INFO, payload))
        self._change(index, f"setting {what} of virtual function {vf} of", header={"index": index}, tail=tail)


def _parse(info: bytes) -> VirtualFunction:
    found = attributes(info, 0, _WANTED)
    vf, address = _unpack(_MAC_OF, found.get(_MAC))
    _, vlan, qos = _unpack(_VLAN_OF, found.get(_VLAN))
    _, least, most = _unpack(_RATE_OF, found.get(_RATE))
    tag = next(each(found.get(_VLAN_LIST, b""), _VLAN_INFO), b"")
    protocol = int.from_bytes(_unpack(_TAG_OF, tag)[3], "big") if tag else VLAN_PROTOCOLS["802.1q"]
    return VirtualFunction(
        number=vf,
        mac=mac(address[:6]),
        vlan=vlan,
        qos=qos,
        proto=next((name for name, value in VLAN_PROTOCOLS.items() if value == protocol), "802.1q"),
        spoofchk=_flag(found.get(_SPOOFCHK)),
        trust=_flag(found.get(_TRUST)),
        link_state=_state(found.get(_LINK_STATE)),
        min_tx_rate=least,
        max_tx_rate=most,
    )


def _unpack(layout: struct.Struct, payload: bytes | None) -> tuple[Any, ...]:
    """The fields; zeros where the attribute is missing or shorter, as older kernels send it."""
    return layout.unpack((payload or b"")[: layout.size].ljust(layout.size, b"\0"))


def _flag(payload: bytes | None) -> bool | None:
    value = _unpack(_VALUE_OF, payload)[1] if payload else _UNKNOWN
    return None if value == _UNKNOWN else bool(value)


def _state(payload: bytes | None) -> str:
    value = int(_unpack(_VALUE_OF, payload)[1])
    return LINK_STATES[value] if value < len(LINK_STATES) else LINK_STATES[0]


def _attribute(kind: int, payload: bytes) -> bytes:
    """An attribute; no payload here needs padding, as all are of four-byte words."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload


def _word(on: bool) -> str:
    return "on" if on else "off"
