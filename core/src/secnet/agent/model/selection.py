"""The networks that a Pod asks for, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import NetworkRef, SecnetError, freeze

__all__ = ["AnySelection", "Malformed", "Named", "Selection", "SelectionId"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One network that the Pod asks for, valid by rules 4.1.2.1.*.

    index: position in the annotation, from 0.
    mac: lower-case, colon-separated. ips: canonical, each `ADDRESS` or `ADDRESS/PREFIX`.
    default_route: gateways; None when the key is absent, empty when the list is (then IPAM's gateways count).
    bandwidth: bits per second and bits. port_mappings: with lower-case `protocol`. infiniband_guid: like a MAC of 8 bytes.
    extra: the keys with a dot, which belong to others.
    """

    index: int
    network: NetworkRef
    interface: str | None = None
    mac: str | None = None
    ips: tuple[str, ...] = ()
    default_route: tuple[str, ...] | None = None
    bandwidth: Mapping[str, int] | None = None
    port_mappings: tuple[Mapping[str, Any], ...] = ()
    infiniband_guid: str | None = None
    cni_args: Mapping[str, Any] | None = None
    ipam_claim: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bandwidth", "port_mappings", "cni_args", "extra"):
            object.__setattr__(self, name, freeze(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One element of the annotation that breaks a rule of 4.1.2.1, and what could be read of it.

    index: position in the annotation, from 0.
    network: its name is `$[INDEX]` where the element's name or namespace cannot be read (see `names_network`).
    interface: None when the element asks for none, empty when what it asks for cannot be read.
    mac: None where it asks for none, or for one that cannot be read.
    certain: whether nothing of the error can concern network and interface: an unknown key may be a misspelled `interface`.
    """

    index: int
    error: SecnetError
    network: NetworkRef
    interface: str | None = None
    mac: str | None = None
    certain: bool = False

    @property
    def names_network(self) -> bool:
        """Whether the network could be read."""
        return self.network.name != f"$[{self.index}]"


AnySelection = Selection | Malformed
"""One element of the annotation."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SelectionId:
    """Which element of an annotation something answers, across edits of the annotation.

    interface: the name the element asks for, empty when it asks for none.
    ordinal: position among the elements with the same network and interface, from 0.
    """

    network: NetworkRef
    interface: str = ""
    ordinal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An element with its interface name. With an error it must not be attached; others are not affected.

    ifname: empty where no name is left, or where the one that it asks for cannot be read.
    unidentified: it is malformed, and any attachment that no other element asks for may be what it means.
    """

    selection: AnySelection
    selection_id: SelectionId
    ifname: str
    error: SecnetError | None = None
    unidentified: bool = False
