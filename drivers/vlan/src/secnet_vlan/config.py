"""The node configuration of vlan networks, after its schema has checked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig, NotReady

__all__ = ["Bridge", "NodeConfig"]

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge that this node is to have. uplinks: names of its physical interfaces."""

    name: str
    uplinks: tuple[str, ...] = ()
    mcast_snooping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """datapath_type: `system` for the kernel's, `netdev` for userspace. default_mtu: bytes; None means the uplinks' MTU.

    unique_macs: whether a second interface with one MAC on one VLAN is refused.
    """

    bridges: tuple[Bridge, ...] = ()
    datapath_type: str = "system"
    default_mtu: int | None = DEFAULT_MTU
    unique_macs: bool = False

    @classmethod
    def parse(cls, section: Mapping[str, Any]) -> NodeConfig:
        """From data valid by the fragment node.json. Raises InvalidConfig for what a schema cannot say."""
        bridges = tuple(
            Bridge(
                name=item["bridgeName"],
                uplinks=tuple(item.get("physicalInterfaces", ())),
                mcast_snooping=item.get("enableMulticastSnooping", False),
            )
            for item in section.get("ovsBridges", ())
        )
        mtu = section.get("defaultMtu", DEFAULT_MTU)
        config = cls(
            bridges=bridges,
            datapath_type=section.get("datapathType", "system"),
            default_mtu=None if mtu == "uplink" else mtu,
            unique_macs=section.get("duplicateMac") == "refuse",
        )
        config._require_unique()
        return config

    def _require_unique(self) -> None:
        taken: set[str] = set()
        for index, bridge in enumerate(self.bridges):
            for name in (bridge.name, *bridge.uplinks):
                if name in taken:
                    raise InvalidConfig(
                        f"{name!r} stands in two places",
                        hint="a bridge name is unique, and an interface is the uplink of one bridge",
                        subject="node configuration",
                        path=f"$.ovsBridges[{index}]",
                    )
                taken.add(name)

    def bridge(self, name: str | None, network: str) -> Bridge:
        """The bridge that a NAD means: the named one, or the first. Raises InvalidConfig or NotReady."""
        subject = f"NetworkAttachmentDefinition {network}"
        if not self.bridges:
            raise NotReady(
                "this node has no bridge for secondary networks",
                hint="add ovsBridges to the node configuration",
                subject=subject,
            )
        if name is None:
            return self.bridges[0]
        for bridge in self.bridges:
            if bridge.name == name:
                return bridge
        raise InvalidConfig(
            f"{name!r} is none of this node's bridges for secondary networks",
            hint=f"use one of {', '.join(bridge.name for bridge in self.bridges)}, or leave bridge out for the first",
            subject=subject,
            path="$.bridge",
        )
