"""Whether a new attachment on a bridge would reach the network that the node configuration gives the bridge."""

from __future__ import annotations

from collections.abc import Mapping

from secnet.contract import Call, NotReady
from secnet.linux.rtnl import Link, host_rtnl
from secnet.ovs import BridgeState, OvsClient, PortState

from .config import Bridge
from .occupancy import Occupancy, counted

__all__ = ["require_bridge"]

_AGE = 0.5  # seconds: the server has just answered for the bridge
_STATUS = "`secnet status` shows the state of the node"


def require_bridge(bridge: Bridge, ovs: OvsClient, owner: str, call: Call) -> tuple[Link, ...]:
    """The links of its uplinks that the node has.

    Raises NotReady without the bridge; while a configured uplink is in another bridge of ours, whose Pods keep it; and where
    none of the configured uplinks is there. A bridge that is configured without uplinks is whole.
    """
    state = ovs.bridge(bridge.name, call)
    if state is None:
        raise NotReady(
            "the bridge does not exist yet", hint=f"it is tried again; {_STATUS}", subject=f"OVS bridge {bridge.name}"
        )
    with host_rtnl() as kernel:
        links = {name: link for name in bridge.uplinks if (link := kernel.link(name)) is not None}
    for name in bridge.uplinks:
        port = ovs.port(name, call, age=_AGE) if name not in state.ports else None
        if port is not None and port.owner == owner and port.bridge != bridge.name:
            raise _kept_elsewhere(bridge, port, _occupancy(ovs, owner, call))
    if bridge.uplinks and not any(name in state.ports and not _is_internal(name, ovs, call) for name in links):
        raise _island(bridge, state, links, _occupancy(ovs, owner, call))
    return tuple(links.values())


def _is_internal(name: str, ovs: OvsClient, call: Call) -> bool:
    """Whether the port is one that Open vSwitch made itself, and leads nowhere."""
    port = ovs.port(name, call, age=_AGE)
    return port is not None and port.type == "internal"


def _occupancy(ovs: OvsClient, owner: str, call: Call) -> Occupancy:
    return Occupancy(ovs.ports(owner, call))


def _kept_elsewhere(bridge: Bridge, port: PortState, occupancy: Occupancy) -> NotReady:
    return NotReady(
        f"its uplink {port.name} is still in the OVS bridge {port.bridge}, which has {counted(occupancy.pods(port.bridge))}",
        hint=f"it moves when the last of them is gone: delete or drain them, or undo the change; {_STATUS}",
        subject=f"OVS bridge {bridge.name}",
    )


def _island(bridge: Bridge, state: BridgeState, links: Mapping[str, Link], occupancy: Occupancy) -> NotReady:
    names = ", ".join(bridge.uplinks)
    kept = [port.name for port in occupancy.uplinks if port.bridge == state.name and port.name not in bridge.uplinks]
    if kept:
        message = f"it still has {', '.join(kept)} for its {counted(occupancy.pods(state.name))}, in place of its uplinks {names}"
        hint = f"they change when the last of these Pods is gone: delete or drain them, or undo the change; {_STATUS}"
    elif links:
        message = f"none of its uplinks is in it: {names}"
        hint = f"it is tried again; {_STATUS}"
    else:
        message = f"none of its uplinks exists on this node: {names}"
        hint = "it is tried again when one appears; connect the interface or correct physicalInterfaces"
    return NotReady(message, hint=hint, subject=f"OVS bridge {bridge.name}")
