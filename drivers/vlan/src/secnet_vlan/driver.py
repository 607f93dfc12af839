"""The network type `vlan`: a veth pair whose host end is an access port of an Open vSwitch bridge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    Conflict,
    DriverInfo,
    HostContext,
    HostInterface,
    InvalidConfig,
    Inventory,
    Needs,
    NetworkDriver,
    NodeReport,
    NotReady,
    ProbeReport,
    SecnetError,
    VerifyFailed,
    load_fragment,
)
from secnet.linux.names import host_ifname, mac_for
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import Link, Rtnl, host_rtnl, pod_rtnl
from secnet.ovs import OvsClient, PortSpec, PortState

from . import veth
from .config import Bridge, NodeConfig
from .inventory import take_inventory
from .node import NodeWork
from .owner import NETWORK_TYPE, ids_for
from .verify import link_findings, port_findings

__all__ = ["VlanDriver"]


_CHECK_AGE = 0.5  # seconds: the copy follows the server by itself, and a round checks a hundred ports in that time


class VlanDriver(NetworkDriver):
    """Connects Pods to VLANs of OVS bridges. Thread-safe; holds one OVSDB connection, opened when first needed."""

    def __init__(self, host: HostContext) -> None:
        super().__init__(host)
        self._config = NodeConfig.parse(host.config)
        self._ovs = OvsClient(host.ovsdb)

    @classmethod
    def describe(cls) -> DriverInfo:
        """Options `vlan` and `bridge`; node configuration `ovsBridges` and `defaultMtu`."""
        return DriverInfo(
            network_type=NETWORK_TYPE,
            summary="VLAN or untagged network on an Open vSwitch bridge",
            options=load_fragment("secnet_vlan", "options.json"),
            node=load_fragment("secnet_vlan", "node.json"),
            capabilities=frozenset({"mac", "mtu"}),
            vlan=True,
            needs=Needs(
                privileges=("CAP_NET_ADMIN", "CAP_SYS_ADMIN"),
                link_kinds=("veth",),
                writable=("/proc/sys",),
                services=("ovsdb",),
            ),
            example={"vlan": 100},
        )

    def probe(self) -> ProbeReport:
        """Ready with privileges, a configured bridge and an OVSDB server that answers."""
        if trouble := lacking(self.host.proc_root, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
            return ProbeReport(ready=False, message=trouble)
        if not self._config.bridges:
            return ProbeReport(ready=False, message="no bridge is configured; add ovsBridges to the node configuration")
        try:
            self._ovs.probe()
        except SecnetError as exc:
            return ProbeReport(ready=False, message=str(exc))
        return ProbeReport(ready=True, message=f"bridges {', '.join(bridge.name for bridge in self._config.bridges)}")

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """Name, MAC, MTU and bridge; see the README for how the MTU follows from NAD, node and uplinks."""
        bridge = self._config.bridge(request.options.get("bridge"), str(request.network))
        if self._ovs.bridge(bridge.name, call) is None:
            raise NotReady(
                "the bridge does not exist yet",
                hint="it is tried again; `secnet status` shows why the node is not ready",
                subject=f"OVS bridge {bridge.name}",
            )
        host = host_ifname(request.key)
        with host_rtnl() as kernel:
            attachment = Attachment(
                request=request,
                names={"host": host, "bridge": bridge.name},
                mac=request.mac or mac_for(request.key),
                mtu=self._mtu(request, bridge, kernel),
            )
            link = veth.find(kernel, self.host.owner_tag, attachment)
        self._require_free(attachment, link, call)
        return attachment

    def _mtu(self, request: AttachRequest, bridge: Bridge, kernel: Rtnl) -> int:
        present = [link for link in (kernel.link(name) for name in bridge.uplinks) if link is not None]
        limit = min((link.mtu for link in present), default=0)
        if request.mtu is None:
            wanted = self._config.default_mtu
            if wanted is None:
                return limit or NodeConfig().default_mtu or 0
            return min(wanted, limit or wanted)
        if limit and request.mtu > limit:
            raise InvalidConfig(
                f"an MTU of {request.mtu} does not fit through the uplinks of {bridge.name}, whose MTU is {limit}",
                hint="lower mtu, leave it out, or raise the uplinks' MTU",
                subject=f"NetworkAttachmentDefinition {request.network}",
                path="$.mtu",
            )
        return request.mtu

    def _require_free(self, attachment: Attachment, link: Link | None, call: Call) -> None:
        """Raise Conflict if a port or the Pod's own link stands where ours must go."""
        request = attachment.request
        self._require_free_port(attachment, call)
        with pod_rtnl(request.netns) as (_, pod):
            inside = pod.link(request.ifname)
        if inside is not None and not (link is not None and veth.joined(link, inside)):
            raise Conflict(
                f"the Pod has an interface {request.ifname} already",
                hint="ask for another interface name",
                subject=f"Pod {request.pod or request.container_id}",
            )

    def _require_free_port(self, attachment: Attachment, call: Call) -> PortState | None:
        """Our port, None if there is none. Raises Conflict if somebody else's has its name."""
        port = self._ovs.port(attachment.names["host"], call)
        if port is not None and not self._is_ours(port, attachment):
            raise Conflict(
                f"{port.bridge} has a port of this name that is not ours",
                hint=f"look at it with `ovs-vsctl list port {port.name}`, and remove it if nothing uses it",
                subject=f"OVS port {port.name}",
            )
        return port

    def _is_ours(self, port: PortState, attachment: Attachment) -> bool:
        return (port.owner, port.key) == (self.host.owner_tag, str(attachment.key))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """The veth pair, then the port; what is there already and right is left alone."""
        request, host = attachment.request, attachment.names["host"]
        with pod_rtnl(request.netns) as (fd, pod), host_rtnl() as kernel:
            link = veth.find(kernel, self.host.owner_tag, attachment)
            if link is None or not veth.joined(link, pod.link(request.ifname)):
                # A port serves whatever link has its name: somebody else's would get the Pod's frames, one of ours that outlived
                # its link would go on serving the old device.
                self._delete_port(self._require_free_port(attachment, call), attachment, call)
                link = veth.create(kernel, attachment, link, fd, call)
            host_end = veth.finish(kernel, self.host, attachment, link, call)
            pod_end = pod.link(request.ifname)
        found = next(link_findings(attachment, host_end, pod_end), None)
        if found is not None or pod_end is None:
            raise VerifyFailed(
                found.message if found else f"the Pod's {request.ifname} vanished",
                hint="it is tried again",
                subject=f"link {host}",
            )
        port = self._add_port(attachment, call)
        return AttachResult(
            mac=pod_end.mac,
            mtu=pod_end.mtu,
            host_interfaces=(HostInterface(name=host, mac=host_end.mac, mtu=host_end.mtu),),
            details={"bridge": port.bridge, "port": host, "vlan": port.tag},
        )

    def _add_port(self, attachment: Attachment, call: Call) -> PortState:
        spec = PortSpec(
            bridge=attachment.names["bridge"],
            name=attachment.names["host"],
            owner=self.host.owner_tag,
            key=str(attachment.key),
            tag=attachment.vlan or 0,
            vlan_mode="access",
            external_ids=ids_for(attachment),
        )
        with call.step("port.add", bridge=spec.bridge, port=spec.name, vlan=spec.tag):
            return self._ovs.add_port(spec, call)

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """Both ends of the pair, and the port with its VLAN, owner and state in ovs-vswitchd. Raises Gone without netns."""
        request = attachment.request
        with pod_rtnl(request.netns) as (_, pod), host_rtnl() as kernel:
            host_end = kernel.link(attachment.names["host"])
            pod_end = pod.link(request.ifname)
        if host_end is not None and not veth.is_ours(host_end, self.host.owner_tag, attachment):
            host_end = None
        port = self._ovs.port(attachment.names["host"], call, age=_CHECK_AGE)
        return CheckReport(
            findings=(
                *link_findings(attachment, host_end, pod_end),
                *port_findings(attachment, self.host.owner_tag, port, host_end),
            )
        )

    def detach(self, attachment: Attachment, call: Call) -> None:
        """The port, then the pair; whatever of them is there and ours."""
        self._remove_port(attachment, call)
        veth.remove(self.host, attachment, call)

    def _remove_port(self, attachment: Attachment, call: Call) -> None:
        port = self._ovs.port(attachment.names["host"], call)
        if port is None or self._is_ours(port, attachment):
            self._delete_port(port, attachment, call)
        else:
            call.log.warning("the OVS port %s on %s is not ours and stays", port.name, port.bridge)

    def _delete_port(self, port: PortState | None, attachment: Attachment, call: Call) -> None:
        """Delete a port that was found to be ours. The delete itself asks again whose it is."""
        if port is not None:
            with call.step("port.delete", bridge=port.bridge, port=port.name):
                self._ovs.delete_port(port.name, self.host.owner_tag, call, key=str(attachment.key))

    def inventory(self, call: Call) -> Inventory:
        """Ports and links with our tag, joined by name."""
        return take_inventory(self.host.owner_tag, self._ovs, call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """Bridges and uplinks as configured; what is ours and no longer configured goes once no Pod uses it."""
        return NodeWork(self.host, self._ovs, call).reconcile(NodeConfig.parse(desired))

    def teardown_node(self, call: Call) -> None:
        """Remove our uplink ports and our bridges, except those that still have ports of others or of Pods."""
        NodeWork(self.host, self._ovs, call).reconcile(NodeConfig())

    def close(self) -> None:
        """Close the OVSDB connection."""
        self._ovs.close()
