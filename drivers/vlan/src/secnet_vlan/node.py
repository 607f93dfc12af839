"""Bridges and uplinks of the node.

The record of a change is the object itself: our owner tag in its external_ids, and for an uplink the state it had before. What
of it is no longer configured goes by that tag alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
)
from secnet.linux.rtnl import Address, Link, host_rtnl
from secnet.ovs import BridgeSpec, BridgeState, OvsClient, PortSpec, PortState, ready

from .config import Bridge, NodeConfig
from .owner import ROLE_ID, ROLE_UPLINK

__all__ = ["NodeWork"]

_PRIOR_ID = "secnet-prior-state"
_UP, _DOWN = "up", "down"
_KNOWN_DOWN_SECONDS = 2.0
_POLL_SECONDS = 0.02
_LINK_SCOPE = 253  # rtnetlink: RT_SCOPE_LINK


class NodeWork:
    """One reconciliation. What one bridge or uplink lacks becomes a finding and does not stop the others."""

    def __init__(self, host: HostContext, ovs: OvsClient, call: Call) -> None:
        self._owner = host.owner_tag
        self._ovs = ovs
        self._call = call
        self._findings: list[Finding] = []

    def reconcile(self, desired: NodeConfig) -> NodeReport:
        """Make the node as wanted. Raises Unavailable while Open vSwitch is away."""
        self._retire_uplinks(desired)
        self._retire_bridges(desired)
        adopted = []
        for bridge in desired.bridges:
            with self._reported():
                state = self._bridge(bridge, desired.datapath_type)
                if state.owner != self._owner:
                    adopted.append(bridge.name)
                for name in bridge.uplinks:
                    with self._reported():
                        self._uplink(bridge, name)
        details = {
            "bridges": [bridge.name for bridge in desired.bridges],
            "uplinks": {bridge.name: list(bridge.uplinks) for bridge in desired.bridges},
            "adopted": adopted,
        }
        return NodeReport(findings=tuple(self._findings), details=details)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (Cancelled, Timeout, Unavailable):
            raise  # nothing else would succeed either
        except SecnetError as exc:
            message = f"{exc.subject}: {exc.message}; {exc.hint}"
            self._findings.append(Finding(code=exc.reason, message=message, repairable=exc.retryable))

    def _retire_uplinks(self, desired: NodeConfig) -> None:
        places = {name: bridge.name for bridge in desired.bridges for name in bridge.uplinks}
        ports = self._ovs.ports(self._owner, self._call)
        kept = {bridge.name for bridge in desired.bridges}
        draining = {port.bridge for port in ports if not _is_uplink(port)} - kept
        for port in ports:
            if not _is_uplink(port) or places.get(port.name) == port.bridge:
                continue
            if port.bridge in draining and port.name not in places:
                continue  # its Pods still use it
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

    def _retire_bridges(self, desired: NodeConfig) -> None:
        kept = {bridge.name for bridge in desired.bridges}
        for state in self._ovs.bridges(self._owner, self._call):
            if state.name in kept:
                continue
            if not state.ports:
                with self._call.step("bridge.delete", bridge=state.name):
                    self._ovs.delete_bridge(state.name, self._owner, self._call)
                continue
            message = (
                f"OVS bridge {state.name} is no longer configured but has the ports {', '.join(state.ports)}; "
                f"it goes when they are gone"
            )
            self._findings.append(Finding(code="BridgeDraining", message=message))

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
            self._findings.append(Finding(code="BridgeDiffers", message=message, repairable=False))
        return state

    def _uplink(self, bridge: Bridge, name: str) -> None:
        with host_rtnl() as kernel:
            link = kernel.link(name)
            if link is None:
                raise NotReady(
                    f"the uplink {name} does not exist on this node",
                    hint="it is tried again; connect the interface or correct physicalInterfaces",
                    subject=f"OVS bridge {bridge.name}",
                )
            port = self._ovs.port(name, self._call)
            if port is None or port.owner != self._owner:
                if port is not None:
                    _require_usable(port, bridge)
                    return
                _require_free(link, [address.cidr for address in kernel.addresses(link.index) if _is_global(address)])
            self._join(bridge, link, port)
            if not link.up:
                with self._call.step("uplink.up", interface=name):
                    kernel.set_link(link.index, up=True)

    def _join(self, bridge: Bridge, link: Link, port: PortState | None) -> None:
        if port is not None and ready(port) and (port.tag, port.vlan_mode, port.trunks) == (None, None, ()):
            return
        prior = port.external_ids.get(_PRIOR_ID) if port is not None else None
        spec = PortSpec(
            bridge=bridge.name,
            name=link.name,
            owner=self._owner,
            key=f"uplink/{link.name}",
            external_ids={ROLE_ID: ROLE_UPLINK, _PRIOR_ID: prior or (_UP if link.up else _DOWN)},
        )
        with self._call.step("uplink.add", bridge=bridge.name, interface=link.name):
            self._ovs.add_port(spec, self._call)


def _is_uplink(port: PortState) -> bool:
    return port.external_ids.get(ROLE_ID) == ROLE_UPLINK


def _matches(state: BridgeState, spec: BridgeSpec) -> bool:
    desired = (spec.datapath_type, spec.mcast_snooping, spec.fail_mode, 0)
    return (state.datapath_type, state.mcast_snooping, state.fail_mode, state.local_tag) == desired


def _is_global(address: Address) -> bool:
    return address.scope < _LINK_SCOPE


def _require_usable(port: PortState, bridge: Bridge) -> None:
    """A port of another owner serves as uplink if it is a trunk of the right bridge."""
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
