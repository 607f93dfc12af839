"""How the bridges and uplinks of the node are, by Open vSwitch and by the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secnet.contract import Call, ComponentState, NodeComponent, NodeObservation
from secnet.linux.events import watch_links
from secnet.linux.rtnl import Link, host_rtnl
from secnet.ovs import BridgeState, OvsClient, PortState, ready

from .config import Bridge, NodeConfig

__all__ = ["observe", "watch"]


def observe(config: NodeConfig, ovs: OvsClient, owner: str, call: Call) -> NodeObservation:
    """Each configured bridge, followed by its uplinks. Raises Unavailable while Open vSwitch is away."""
    components: list[NodeComponent] = []
    with host_rtnl() as kernel:
        for bridge in config.bridges:
            components.append(_bridge(bridge, ovs.bridge(bridge.name, call), owner))
            components += (_uplink(bridge, name, kernel.link(name), ovs.port(name, call)) for name in bridge.uplinks)
    return NodeObservation(components=tuple(components))


def watch(config: NodeConfig, notify: Callable[[], object], call: Call) -> None:
    """Call `notify` at events of the bridges' and uplinks' links; those of the Pods' own links are many, and say nothing here."""
    names = {"", *(name for bridge in config.bridges for name in (bridge.name, *bridge.uplinks))}

    def look(name: str) -> None:
        if name in names:
            notify()

    watch_links(look, call)


def _bridge(bridge: Bridge, state: BridgeState | None, owner: str) -> NodeComponent:
    if state is None:
        return NodeComponent(
            kind="bridge", name=bridge.name, state=ComponentState.DOWN, message="Open vSwitch has no such bridge"
        )
    facts = {
        "uplinks": list(bridge.uplinks),
        "datapathType": state.datapath_type or "system",
        "ours": state.owner == owner,
    }
    return NodeComponent(kind="bridge", name=bridge.name, state=ComponentState.UP, facts=facts)


def _uplink(bridge: Bridge, name: str, link: Link | None, port: PortState | None) -> NodeComponent:
    message = next(_problems(bridge, link, port), "")
    facts = {"bridge": bridge.name} | ({"mtu": link.mtu, "mac": link.mac} if link is not None else {})
    state = ComponentState.DOWN if message else ComponentState.UP
    return NodeComponent(kind="uplink", name=name, state=state, message=message, facts=facts)


def _problems(bridge: Bridge, link: Link | None, port: PortState | None) -> Iterator[str]:
    """Why an uplink carries nothing, the most telling first."""
    if link is None:
        yield "the node has no such interface"
        return
    if port is None:
        yield f"it is no port of {bridge.name}"
    elif port.bridge != bridge.name:
        yield f"it is a port of {port.bridge} and not of {bridge.name}"
    elif not ready(port):
        yield f"ovs-vswitchd does not serve it{': ' + port.error if port.error else ''}"
    if not link.up:
        yield "it is down"
    elif not link.carrier:
        yield "it has no carrier"
