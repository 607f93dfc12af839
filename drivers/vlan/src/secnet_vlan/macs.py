"""Two interfaces with one MAC on one VLAN of a bridge: the switch sends what is for the one to the other.

A MAC that follows from the key is unique, so it takes a MAC asked for in an annotation. On two nodes it is legitimate: a virtual
machine that migrates has its MAC on both for a while.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from secnet.contract import Attachment, AttachmentId, Busy, Finding
from secnet.ovs import PortState

from .owner import mac_of, user_of

__all__ = ["MacClaims", "duplicates", "require_free"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a MAC has to be unique."""

    bridge: str
    vlan: int
    mac: str

    @classmethod
    def of(cls, attachment: Attachment, vlan: int) -> _Place:
        return cls(bridge=attachment.names["bridge"], vlan=vlan, mac=attachment.mac or "")

    def __str__(self) -> str:
        network = f"VLAN {self.vlan}" if self.vlan else "the untagged network"
        return f"the MAC {self.mac} on {network} of OVS bridge {self.bridge}"


class MacClaims:
    """The MACs of attachments that were admitted and have no port yet: two at once would not see each other. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[_Place, AttachmentId] = {}

    def claim(self, attachment: Attachment) -> None:
        """Take it until `drop`. Raises Busy while another attachment has it."""
        place = _Place.of(attachment, attachment.vlan or 0)
        with self._lock:
            holder = self._claims.setdefault(place, attachment.key)
        if holder != attachment.key:
            raise _busy(place, f"sandbox {holder.container_id}", holder.ifname)

    def drop(self, attachment: Attachment) -> None:
        """The attachment has its port, or comes to nothing. May be called without a claim."""
        with self._lock:
            for place in [place for place, key in self._claims.items() if key == attachment.key]:
                del self._claims[place]


def require_free(attachment: Attachment, vlan: int, ports: Iterable[PortState]) -> None:
    """Raise Busy if another interface has the MAC of this attachment on this VLAN."""
    place = _Place.of(attachment, vlan)
    for port in _others(place, attachment.key, ports):
        raise _busy(place, f"Pod {user_of(port)}", _ifname(port))


def duplicates(attachment: Attachment, ports: Iterable[PortState]) -> Iterator[Finding]:
    """An advisory finding for each other interface with its MAC on its VLAN."""
    place = _Place.of(attachment, attachment.vlan or 0)
    for port in _others(place, attachment.key, ports):
        message = (
            f"Pod {user_of(port)} interface {_ifname(port)} has {place} as well: "
            "frames for one of them reach the other; give one of them another MAC"
        )
        yield Finding(code="DuplicateMac", message=message, repairable=False, advisory=True)


def _others(place: _Place, key: AttachmentId, ports: Iterable[PortState]) -> Iterator[PortState]:
    for port in ports:
        there = _Place(bridge=port.bridge, vlan=port.tag or 0, mac=mac_of(port))
        if there == place and port.key != str(key):
            yield port


def _ifname(port: PortState) -> str:
    return port.key.rpartition("/")[2]


def _busy(place: _Place, holder: str, ifname: str) -> Busy:
    return Busy(
        f"{holder} interface {ifname} has {place}, and duplicateMac is refuse",
        hint="it is tried again, and succeeds when that interface is gone; or ask for another mac in the annotation",
        subject=f"MAC {place.mac}",
    )
