"""How the switch, the bridges and the uplinks of the node are, by Open vSwitch and by the kernel, and whom that cuts off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from secnet.contract import (
    Attachment,
    AttachmentId,
    Call,
    ComponentState,
    NodeComponent,
    NodeObservation,
    SecnetError,
    Unavailable,
    Unsupported,
)
from secnet.linux.events import watch_links
from secnet.linux.rtnl import Link, Rtnl, host_rtnl
from secnet.linux.speed import link_speed
from secnet.ovs import BridgeState, OvsClient, PortState, SwitchDaemon, ready

from .config import Bridge, NodeConfig

__all__ = ["Observer"]

_SWITCH = "switch"
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uplink:
    """What is known of one configured uplink. broken: why it carries nothing. flaws: what else is wrong with it."""

    name: str
    link: Link | None
    port: PortState | None
    broken: str = ""
    flaws: tuple[str, ...] = ()

    def carries(self, vlan: int) -> bool:
        """Whether frames of this VLAN pass; 0 is untagged."""
        trunks = self.port.trunks if self.port is not None else ()
        return not self.broken and (not trunks or vlan in trunks)


class Observer:
    """Looks at the node of one configuration. Thread-safe."""

    def __init__(self, config: NodeConfig, ovs: OvsClient, switch: SwitchDaemon, owner: str) -> None:
        self._config = config
        self._ovs = ovs
        self._switch = switch
        self._owner = owner

    def observe(self, call: Call) -> NodeObservation:
        """The two daemons, then each configured bridge, followed by its uplinks, of which nothing is known without database."""
        if not self._config.bridges:
            return NodeObservation()
        components = [self._daemon(call)]
        try:
            components += self._configured(call)
        except Unavailable as exc:
            components.append(
                NodeComponent(kind=_SWITCH, name="ovsdb-server", state=ComponentState.DOWN, message=exc.message)
            )
        return NodeObservation(components=tuple(components))

    def _configured(self, call: Call) -> list[NodeComponent]:
        found = [NodeComponent(kind=_SWITCH, name="ovsdb-server", state=ComponentState.UP)]
        with host_rtnl() as kernel:
            for bridge in self._config.bridges:
                here = [each for each in call.attachments if each.names.get("bridge") == bridge.name]
                found.append(self._bridge(bridge, here, call))
                found += self._uplinks(bridge, here, kernel, call)
        return found

    def watch(self, notify: Callable[[], object], call: Call) -> None:
        """Call `notify` at events of the links of bridges and uplinks, and when a look every few seconds finds another state.

        Those of the Pods' own links are many, and say nothing here. Neither the database nor the kernel reports that ovs-vswitchd
        died, and what others change in the database concerns few rows of it.
        """
        if not self._config.bridges:
            return
        names = {"", *(name for bridge in self._config.bridges for name in (bridge.name, *bridge.uplinks))}
        last, due = self._look(call), time.monotonic() + _POLL_SECONDS

        def on_link(name: str) -> None:
            if name in names:
                notify()

        def on_tick() -> None:
            nonlocal last, due
            if time.monotonic() < due:
                return
            seen, due = self._look(call), time.monotonic() + _POLL_SECONDS
            if seen != last:
                last = seen
                notify()

        watch_links(on_link, call, tick=on_tick)

    def _look(self, call: Call) -> NodeObservation | str:
        """What is there to be compared; an error is a state as well."""
        try:
            return self.observe(Call.within(_POLL_SECONDS, cancel=call.cancel))
        except SecnetError as exc:
            call.checkpoint()
            return exc.reason

    def _daemon(self, call: Call) -> NodeComponent:
        make = partial(NodeComponent, kind=_SWITCH, name="ovs-vswitchd")
        try:
            return make(state=ComponentState.UP, facts={"version": self._switch.version()})
        except Unsupported as exc:
            return make(state=ComponentState.UNKNOWN, message=exc.message)
        except SecnetError as exc:
            return make(state=ComponentState.DOWN, message=exc.message, stranded=_keys(call.attachments))

    def _bridge(self, bridge: Bridge, here: list[Attachment], call: Call) -> NodeComponent:
        state = self._ovs.bridge(bridge.name, call)
        facts = (
            {}
            if state is None
            else {
                "uplinks": list(bridge.uplinks),
                "datapathType": state.datapath_type or "system",
                "ours": state.owner == self._owner,
            }
        )
        message = "Open vSwitch has no such bridge" if state is None else self._silent(state)
        return NodeComponent(
            kind="bridge",
            name=bridge.name,
            state=ComponentState.DOWN if message else ComponentState.UP,
            message=message,
            facts=facts,
            stranded=_keys(here) if message else (),
        )

    def _silent(self, state: BridgeState) -> str:
        """Why a bridge that is there forwards nothing. One that the agent made forwards like any switch."""
        if state.fail_mode != "secure":
            return ""
        try:
            flows = self._switch.flows(state.name)
        except SecnetError:  # of the daemon itself there is a component
            return ""
        return "" if flows else "it forwards nothing: its fail_mode is secure, and it has no OpenFlow flows"

    def _uplinks(self, bridge: Bridge, here: list[Attachment], kernel: Rtnl, call: Call) -> Iterator[NodeComponent]:
        found = [self._uplink(bridge, name, here, kernel, call) for name in bridge.uplinks]
        works = any(not uplink.broken for uplink in found)
        outside = [each for each in here if works and not any(uplink.carries(each.vlan or 0) for uplink in found)]
        for uplink in found:
            stranded: Iterable[Attachment] = () if works else here
            flaws = uplink.flaws
            if outside and not uplink.broken:
                stranded = outside
                flaws = (_lacking(uplink, outside), *flaws)
            message = "; ".join((uplink.broken,) if uplink.broken else flaws)
            state = ComponentState.DEGRADED if message else ComponentState.UP
            yield NodeComponent(
                kind="uplink",
                name=uplink.name,
                state=ComponentState.DOWN if uplink.broken else state,
                message=message,
                facts={"bridge": bridge.name} | _facts(uplink),
                stranded=_keys(stranded),
            )

    def _uplink(self, bridge: Bridge, name: str, here: list[Attachment], kernel: Rtnl, call: Call) -> _Uplink:
        link, port = kernel.link(name), self._ovs.port(name, call)
        flaws: tuple[str, ...] = ()
        if link is not None and port is not None:
            addresses = [address.cidr for address in kernel.addresses(link.index) if address.is_global]
            flaws = tuple(_flaws(link, addresses, here))
        broken = next(_reasons(bridge, link, port), "")
        return _Uplink(name=name, link=link, port=port, broken=broken, flaws=flaws)


def _reasons(bridge: Bridge, link: Link | None, port: PortState | None) -> Iterator[str]:
    """Why an uplink carries nothing, the most telling first."""
    if port is not None and port.type == "internal":
        yield f"it is an internal port of {port.bridge}, and no interface that leads anywhere"
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


def _flaws(link: Link, addresses: list[str], here: list[Attachment]) -> Iterator[str]:
    largest = max((each.mtu or 0 for each in here), default=0)
    if link.mtu < largest:
        lost = "longer frames are lost"
        yield f"its MTU of {link.mtu} is below that of interfaces on its bridge, which have up to {largest}: {lost}"
    if addresses:
        yield f"it has the addresses {', '.join(addresses)}, which do not work on a port of a bridge: remove them"


def _lacking(uplink: _Uplink, outside: list[Attachment]) -> str:
    vlans = sorted({each.vlan or 0 for each in outside})
    shown = ", ".join("untagged frames" if vlan == 0 else f"VLAN {vlan}" for vlan in vlans)
    trunks = ", ".join(map(str, uplink.port.trunks)) if uplink.port is not None else ""
    return f"its trunks ({trunks}) do not carry {shown}"


def _facts(uplink: _Uplink) -> dict[str, object]:
    if uplink.link is None:
        return {}
    trunks = {"trunks": list(uplink.port.trunks)} if uplink.port is not None and uplink.port.trunks else {}
    return {"mtu": uplink.link.mtu, "mac": uplink.link.mac, "speed": link_speed(uplink.name), **trunks}


def _keys(attachments: Iterable[Attachment]) -> tuple[AttachmentId, ...]:
    return tuple(sorted((each.key for each in attachments), key=str))
