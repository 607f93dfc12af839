"""Bridges and uplinks of the node.

The record of a change is the object itself: our owner tag in its external_ids, and for an uplink the state it had before. What
of it is no longer configured goes by that tag alone, once no living Pod needs it (see `occupancy`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from secnet.contract import (
    Busy,
    Call,
    Cancelled,
    Conflict,
    Finding,
    HostContext,
    NodeReport,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
    Unsupported,
)
from secnet.linux.rtnl import Link, Rtnl, host_rtnl
from secnet.ovs import BridgeSpec, BridgeState, OvsClient, PortSpec, PortState, SwitchDaemon, ready

from .config import Bridge, NodeConfig
from .occupancy import Occupancy, counted
from .owner import ROLE_ID, ROLE_UPLINK

__all__ = ["NodeWork"]

_PRIOR_ID = "secnet-prior-state"
_INDEX_ID = "secnet-ifindex"
_UP, _DOWN = "up", "down"
_KNOWN_DOWN_SECONDS = 2.0
_POLL_SECONDS = 0.02
_BUSY_SECONDS = 3.0  # ovs-vswitchd may be busy for so long, and is not dead
_PORTS_SHOWN = 3


class NodeWork:
    """One reconciliation. What one bridge or uplink lacks becomes a finding and does not stop the others."""

    def __init__(self, host: HostContext, ovs: OvsClient, switch: SwitchDaemon, call: Call) -> None:
        self._owner = host.owner_tag
        self._ovs = ovs
        self._switch = switch
        self._call = call
        self._findings: list[Finding] = []

    def reconcile(self, desired: NodeConfig) -> NodeReport:
        """Make the node as wanted. Raises Unavailable without ovsdb-server, and without ovs-vswitchd if there are bridges."""
        if desired.bridges:
            self._require_switch()
        occupancy = Occupancy(self._ovs.ports(self._owner, self._call), self._call.attachments)
        with host_rtnl() as kernel:
            present = {port.name for port in occupancy.uplinks if kernel.link(port.name) is not None}
        staying = occupancy.staying(desired, present)
        self._retire_uplinks(desired, occupancy, staying)
        draining = self._retire_bridges(desired, occupancy)
        self._keep_staying(desired, occupancy, staying, draining)
        adopted = []
        for bridge in desired.bridges:
            with self._reported():
                state = self._bridge(bridge, desired.datapath_type)
                if state.owner != self._owner:
                    adopted.append(bridge.name)
                self._uplinks(bridge, [port.name for port in staying if port.bridge == bridge.name])
        uplinks = {bridge.name: list(bridge.uplinks) for bridge in desired.bridges}
        uplinks |= {name: [port.name for port in staying if port.bridge == name] for name in draining}
        details = {"bridges": list(uplinks), "uplinks": uplinks, "adopted": adopted}
        return NodeReport(findings=tuple(self._findings), details=details)

    def _require_switch(self) -> None:
        """Without ovs-vswitchd nothing of what is written here would happen."""
        with suppress(Unsupported):
            self._switch.version(_BUSY_SECONDS)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (Cancelled, Timeout, Unavailable):
            raise  # nothing else would succeed either
        except SecnetError as exc:
            message = f"{exc.subject}: {exc.message}; {exc.hint}"
            self._findings.append(Finding(code=exc.reason, message=message, repairable=exc.retryable))

    def _retire_uplinks(self, desired: NodeConfig, occupancy: Occupancy, staying: tuple[PortState, ...]) -> None:
        places = {name: bridge.name for bridge in desired.bridges for name in bridge.uplinks}
        for port in occupancy.uplinks:
            if places.get(port.name) != port.bridge and port not in staying:
                with self._reported():
                    self._remove_uplink(port)

    def _remove_uplink(self, port: PortState) -> None:
        with host_rtnl() as kernel:
            link = kernel.link(port.name)
            if link is not None and link.up and port.external_ids.get(_PRIOR_ID) == _DOWN:
                with self._call.step("uplink.restore", interface=port.name):
                    kernel.set_link(link.index, up=False)
            if link is not None and port.external_ids.get(_PRIOR_ID) == _DOWN:
                self._wait_until_known_down(port.name)
        with self._call.step("uplink.remove", bridge=port.bridge, interface=port.name):
            self._ovs.delete_port(port.name, self._owner, self._call, key=port.key)

    def _wait_until_known_down(self, name: str) -> None:
        """When ovs-vswitchd lets go of a device it writes the flags it believes in, and would bring it up again (measured)."""
        waited = 0.0
        while (port := self._ovs.port(name, self._call)) is not None and port.admin_up:
            if waited >= _KNOWN_DOWN_SECONDS:
                raise Busy(
                    "ovs-vswitchd has not noticed that the uplink is down",
                    hint="it is tried again; look whether ovs-vswitchd runs",
                    subject=f"uplink {name}",
                )
            self._call.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def _retire_bridges(self, desired: NodeConfig, occupancy: Occupancy) -> list[str]:
        """Delete our bridges that are not configured; returns those that have to stay for now."""
        kept, draining = {bridge.name for bridge in desired.bridges}, []
        for state in self._ovs.bridges(self._owner, self._call):
            pods = occupancy.pods(state.name)
            if state.name in kept:
                continue
            if not state.ports and not pods:
                with self._call.step("bridge.delete", bridge=state.name):
                    self._ovs.delete_bridge(state.name, self._owner, self._call)
                continue
            shown, more = ", ".join(state.ports[:_PORTS_SHOWN]), len(state.ports) - _PORTS_SHOWN
            message = (
                f"OVS bridge {state.name} is no longer configured but has {counted(pods)} and the ports {shown or 'none'}"
                f"{f' and {more} more' if more > 0 else ''}; it goes when they are gone"
            )
            self._findings.append(Finding(code="BridgeDraining", message=message, advisory=True))
            draining.append(state.name)
        return draining

    def _keep_staying(
        self, desired: NodeConfig, occupancy: Occupancy, staying: tuple[PortState, ...], draining: list[str]
    ) -> None:
        places = {name: bridge.name for bridge in desired.bridges for name in bridge.uplinks}
        for port in staying:
            with self._reported(), host_rtnl() as kernel:
                if (link := kernel.link(port.name)) is not None:
                    self._serve(port.bridge, link, port, kernel)
            place = places.get(port.name)
            if place is None and port.bridge in draining:
                continue  # it goes with the bridge
            message = (
                f"the uplink {port.name} stays in OVS bridge {port.bridge}, which has {counted(occupancy.pods(port.bridge))}; "
                f"it {f'moves to {place}' if place else 'is released'} when the last of them is gone"
            )
            self._findings.append(Finding(code="UplinkDraining", message=message, advisory=True))

    def _uplinks(self, bridge: Bridge, staying: list[str]) -> None:
        """staying: uplinks of the bridge that it is to lose. It gets no other beside them: that would join two networks."""
        first = len(self._findings)
        works = [self._works(bridge, name, staying) for name in bridge.uplinks]
        if any(works):
            lacking = self._findings[first:]
            self._findings[first:] = [dataclasses.replace(finding, advisory=True) for finding in lacking]

    def _works(self, bridge: Bridge, name: str, staying: list[str]) -> bool:
        """Whether the uplink is in the bridge, or comes when Pods elsewhere are gone; else there is a finding."""
        port = self._ovs.port(name, self._call)
        if port is not None and port.owner == self._owner and port.bridge != bridge.name:
            return True  # why it is there has been reported
        if port is None and staying:
            message = f"the uplink {name} joins OVS bridge {bridge.name} when {', '.join(staying)} has left it"
            self._findings.append(Finding(code="UplinkDraining", message=message, advisory=True))
            return True
        found = len(self._findings)
        with self._reported():
            self._uplink(bridge, name, port)
        return len(self._findings) == found

    def _bridge(self, bridge: Bridge, datapath_type: str) -> BridgeState:
        state = self._ovs.bridge(bridge.name, self._call)
        spec = BridgeSpec(
            name=bridge.name,
            owner=self._owner,
            datapath_type=datapath_type,
            mcast_snooping=bridge.mcast_snooping,
        )
        if state is None or (state.owner == self._owner and not _matches(state, spec)):
            with self._call.step("bridge.ensure", bridge=bridge.name):
                state = self._ovs.ensure_bridge(spec, self._call)
        if state.owner != self._owner and state.mcast_snooping != bridge.mcast_snooping:
            message = (
                f"OVS bridge {bridge.name} was not made by this agent, which leaves its multicast snooping "
                f"{'on' if state.mcast_snooping else 'off'}; set mcast_snooping_enable by ovs-vsctl, or correct "
                f"enableMulticastSnooping"
            )
            self._findings.append(Finding(code="BridgeDiffers", message=message, repairable=False, advisory=True))
        return state

    def _uplink(self, bridge: Bridge, name: str, port: PortState | None) -> None:
        with host_rtnl() as kernel:
            link = kernel.link(name)
            if link is None:
                raise NotReady(
                    f"the uplink {name} does not exist on this node",
                    hint="it is tried again; connect the interface or correct physicalInterfaces",
                    subject=f"OVS bridge {bridge.name}",
                )
            if port is None or port.owner != self._owner:
                if port is not None:
                    _require_usable(port, bridge)
                    return
                _require_free(link, [address.cidr for address in kernel.addresses(link.index) if address.is_global])
            self._serve(bridge.name, link, port, kernel)

    def _serve(self, bridge: str, link: Link, port: PortState | None, kernel: Rtnl) -> None:
        self._join(bridge, link, port)
        if not link.up:
            with self._call.step("uplink.up", interface=link.name):
                kernel.set_link(link.index, up=True)

    def _join(self, bridge: str, link: Link, port: PortState | None) -> None:
        """Make or repair the port; one that is right is left alone.

        A link that was removed and made again may have an older port: in userspace ovs-vswitchd goes on reading from the old
        link (measured, with everything green), so the port is made again too.
        """
        ids = dict(port.external_ids) if port is not None else {}
        index = str(link.index)
        if port is not None and ids.get(_INDEX_ID, index) != index:
            with self._call.step("uplink.forget", bridge=bridge, interface=link.name):
                self._ovs.delete_port(link.name, self._owner, self._call, key=port.key)
            port = None
        trunk = port is not None and (port.tag, port.vlan_mode, port.trunks) == (None, None, ())
        if port is not None and trunk and ready(port) and _INDEX_ID in ids:
            return
        prior = ids.get(_PRIOR_ID) or (_UP if link.up else _DOWN)
        spec = PortSpec(
            bridge=bridge,
            name=link.name,
            owner=self._owner,
            key=f"uplink/{link.name}",
            external_ids={ROLE_ID: ROLE_UPLINK, _PRIOR_ID: prior, _INDEX_ID: index},
        )
        with self._call.step("uplink.add", bridge=bridge, interface=link.name):
            self._ovs.add_port(spec, self._call)


def _matches(state: BridgeState, spec: BridgeSpec) -> bool:
    desired = (spec.datapath_type, spec.mcast_snooping, spec.fail_mode, 0)
    return (state.datapath_type, state.mcast_snooping, state.fail_mode, state.local_tag) == desired


def _require_usable(port: PortState, bridge: Bridge) -> None:
    """A port of another owner serves as uplink if it is a trunk of the right bridge, and leads out of Open vSwitch."""
    if port.type == "internal":
        raise Conflict(
            f"the uplink {port.name} is an internal port of {port.bridge}, which leads to this node only",
            hint="name a physical interface, a bond or a veth in physicalInterfaces",
            subject=f"OVS bridge {bridge.name}",
        )
    if port.bridge != bridge.name:
        raise Conflict(
            f"the uplink {port.name} is a port of {port.bridge}, which this agent did not make",
            hint="remove it there, or correct physicalInterfaces",
            subject=f"OVS bridge {bridge.name}",
        )
    if port.tag is not None or port.vlan_mode is not None:
        raise Conflict(
            f"the uplink {port.name} is no trunk (tag {port.tag}, vlan_mode {port.vlan_mode}), and is not ours to change",
            hint="clear its tag and vlan_mode by ovs-vsctl, or remove the port",
            subject=f"OVS bridge {bridge.name}",
        )


def _require_free(link: Link, addresses: list[str]) -> None:
    """An uplink loses the host's own traffic: refuse what the host uses, rather than cut the node off."""
    if link.master:
        raise Busy(
            f"{link.name} is a member of another bridge or bond",
            hint="it is tried again; take it out there, or correct physicalInterfaces",
            subject=f"uplink {link.name}",
        )
    if addresses:
        raise Busy(
            f"{link.name} has the addresses {', '.join(addresses)}, which the node would lose",
            hint="it is tried again; use an interface without addresses: one that the node itself uses is not supported",
            subject=f"uplink {link.name}",
        )
