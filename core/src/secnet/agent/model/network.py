"""A NetworkAttachmentDefinition of ours, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import NetworkRef, freeze

__all__ = ["CommonOptions", "NetworkConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What a NAD says of each of its interfaces, whatever the network type; the core acts upon it.

    accept_ra: router advertisements may give the interface addresses and routes. disable_check: what is found on the Pod's side
    of the interface is neither reported nor repaired. chained: that is because plugins after ours changed it by right.
    """

    accept_ra: bool = False
    disable_check: bool = False
    chained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """A valid NAD of ours.

    mtu: bytes; None leaves it to the driver. options: the driver's keys. ipam_type: None means no addresses.
    ipam_config: the backend's keys. resource_name: the extended resource of the device plugin, from the NAD's annotation.
    common: keys of the core that travel with each attachment.
    cni_type: one of OUR_TYPES, as the NAD says. cni_name: by which callers of a CNI plugin know it.
    capabilities: what such a caller passes on of the annotation, as CNI names it. chain: types of the plugins that it calls
    after ours for the same interface.
    """

    network: NetworkRef
    network_type: str
    uid: str = ""
    generation: int = 0
    mtu: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    ipam_type: str | None = None
    ipam_config: Mapping[str, Any] = field(default_factory=dict)
    resource_name: str | None = None
    common: CommonOptions = field(default=CommonOptions())
    cni_version: str = ""
    cni_type: str = ""
    cni_name: str = ""
    capabilities: frozenset[str] = frozenset()
    chain: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("options", "ipam_config"):
            object.__setattr__(self, name, freeze(getattr(self, name)))
