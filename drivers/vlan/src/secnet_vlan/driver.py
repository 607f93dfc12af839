"""The network type `vlan`: a veth pair whose host end is an access port of an Open vSwitch bridge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    Conflict,
    DoctorResult,
    DriverInfo,
    HostContext,
    InvalidConfig,
    Inventory,
    Needs,
    NetworkDriver,
    NodeObservation,
    NodeReport,
    ProbeReport,
    SecnetError,
    StatusColumn,
    Traffic,
    load_fragment,
)
from secnet.linux.names import HOST_PREFIX
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import Link, host_rtnl
from secnet.linux.veths import VethPair, VethPairs
from secnet.ovs import OvsClient, PortSpec, PortState, SwitchDaemon

from .config import Bridge, NodeConfig
from .doctor import examine
from .inventory import take_inventory
from .macs import MacClaims, duplicates, require_free
from .node import NodeWork
from .observe import Observer
from .owner import NETWORK_TYPE, ids_for
from .reach import require_bridge
from .verify import port_findings

__all__ = ["VlanDriver"]


_CHECK_AGE = 0.5  # seconds: the copy follows the server by itself, and a round checks a hundred ports in that time


class VlanDriver(NetworkDriver):
    """Connects Pods to VLANs of OVS bridges. Thread-safe; holds one OVSDB connection, opened when first needed."""

    def __init__(self, host: HostContext) -> None:
        super().__init__(host)
        self._config = NodeConfig.parse(host.config)
        self._ovs = OvsClient(host.ovsdb)
        self._switch = SwitchDaemon(host.ovsdb)
        self._observer = Observer(self._config, self._ovs, self._switch, host.owner_tag)
        self._veths = VethPairs(host, NETWORK_TYPE, prefix=HOST_PREFIX)
        self._claims = MacClaims()

    @classmethod
    def describe(cls) -> DriverInfo:
        """Options `vlan` and `bridge`; node configuration `ovsBridges`, `datapathType`, `defaultMtu` and `duplicateMac`."""
        return DriverInfo(
            network_type=NETWORK_TYPE,
            summary="VLAN or untagged network on an Open vSwitch bridge",
            options=load_fragment("secnet_vlan", "options.json"),
            node=load_fragment("secnet_vlan", "node.json"),
            node_aliases={  # Antrea's agent has them there
                "ovsBridges": "ovsBridges",
                "secondaryNetwork.ovsBridges": "ovsBridges",
                "datapathType": "datapathType",
            },
            capabilities=frozenset({"mac", "mtu"}),
            vlan=True,
            needs=Needs(
                privileges=("CAP_NET_ADMIN", "CAP_SYS_ADMIN"),
                link_kinds=("veth",),
                writable=("/proc/sys",),
                services=("ovsdb",),
            ),
            status_columns=(StatusColumn(key="bridge", title="BRIDGE"),),
            example={"vlan": 100},
        )

    def probe(self) -> ProbeReport:
        """Ready with privileges, a configured bridge and an OVSDB server that answers."""
        if problem := lacking(self.host.proc_root, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
            return ProbeReport(ready=False, message=problem)
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
        links = require_bridge(bridge, self._ovs, self.host.owner_tag, call)
        mtu = self._mtu(request, bridge, links)
        attachment = self._veths.plan(request, mtu=mtu, names={"bridge": bridge.name})
        self._require_free_port(attachment, call)
        if self._config.unique_macs and (vlan := request.options.get("vlan", 0)):  # else the pool may decide it
            require_free(attachment, vlan, self._ovs.ports(self.host.owner_tag, call))
        return attachment

    def admit(self, attachment: Attachment, call: Call) -> None:
        """With `duplicateMac: refuse`, Busy while another interface has the MAC on this VLAN."""
        if self._config.unique_macs:
            self._claims.claim(attachment)
            try:
                require_free(attachment, attachment.vlan or 0, self._ovs.ports(self.host.owner_tag, call))
            except BaseException:
                self._claims.drop(attachment)
                raise

    def _mtu(self, request: AttachRequest, bridge: Bridge, uplinks: Iterable[Link]) -> int:
        limit = min((link.mtu for link in uplinks), default=0)
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

    def _require_free_port(self, attachment: Attachment, call: Call) -> PortState | None:
        """Our port, None if there is none. Raises Conflict if a port of another owner has its name."""
        port = self._ovs.port(attachment.names["host"], call)
        if port is not None and not self._is_ours(port, attachment):
            raise Conflict(
                f"{port.bridge} has a port of this name that is not ours",
                hint=f"inspect it with `ovs-vsctl list port {port.name}`, and remove it if nothing uses it",
                subject=f"OVS port {port.name}",
            )
        return port

    def _is_ours(self, port: PortState, attachment: Attachment) -> bool:
        return (port.owner, port.key) == (self.host.owner_tag, str(attachment.key))

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """The veth pair, then the port; what is there already and right is left alone."""
        replaced: list[bool] = []
        pair = self._veths.make(attachment, call, first=lambda: replaced.append(self._make_room(attachment, call)))
        if not pair.created:
            replaced.append(self._clear_port(attachment, pair, call))
        port = self._add_port(attachment, call)
        if any(replaced):  # ovs-vswitchd wrote the flags of the device that it let go to the one that has its name now
            pair = self._veths.make(attachment, call)
        self._claims.drop(attachment)
        return pair.result(bridge=port.bridge, port=port.name, vlan=port.tag)

    def _make_room(self, attachment: Attachment, call: Call) -> bool:
        """Delete a port of ours that outlived its link, as it would go on serving the old device; whether there was one.

        A port serves any link that has its name. A link of another owner would get the Pod's frames: Conflict.
        """
        port = self._require_free_port(attachment, call)
        self._delete_port(port, attachment, call)
        return port is not None

    def _clear_port(self, attachment: Attachment, pair: VethPair, call: Call) -> bool:
        """Delete a port of ours of which its spec makes no good one: on another bridge, or without the link in ovs-vswitchd.

        Whether there was one.
        """
        port = self._require_free_port(attachment, call)
        if port is None:
            return False
        stale = port.error or port.ifindex not in (None, pair.host.index)
        if not stale and port.bridge == attachment.names["bridge"]:
            return False
        self._delete_port(port, attachment, call)
        return True

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
        pair = self._veths.check(attachment)
        port = self._ovs.port(attachment.names["host"], call, age=_CHECK_AGE)
        others = self._ovs.ports(self.host.owner_tag, call, age=_CHECK_AGE)
        return pair.report(
            *port_findings(attachment, self.host.owner_tag, port, pair.host), *duplicates(attachment, others)
        )

    def detach(self, attachment: Attachment, call: Call) -> None:
        """The port, then the pair; whatever of them is there and ours."""
        self._claims.drop(attachment)
        self._remove_port(attachment, call)
        self._veths.remove(attachment, call)

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
        return take_inventory(self.host.owner_tag, self._veths, self._ovs, call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """Bridges and uplinks as configured; what is ours and no longer configured goes once no Pod uses it."""
        return NodeWork(self.host, self._ovs, self._switch, call).reconcile(NodeConfig.parse(desired))

    def teardown_node(self, call: Call) -> None:
        """Remove our uplink ports and our bridges, except those of bridges that still have Pods or ports of others."""
        NodeWork(self.host, self._ovs, self._switch, call).reconcile(NodeConfig())

    def observe_node(self, call: Call) -> NodeObservation:
        """ovs-vswitchd, bridges and uplinks, by Open vSwitch and by the kernel."""
        return self._observer.observe(call)

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        """Events of the links of bridges and uplinks; Open vSwitch is looked at every few seconds."""
        self._observer.watch(notify, call)

    def traffic(self, call: Call) -> Mapping[AttachmentId, Traffic]:
        """By the counters of the host's ends, of all in one request."""
        with host_rtnl() as kernel:
            counters = kernel.counters()
        ends = {each.key: counters.get(each.names["host"]) for each in call.attachments}
        return {key: found.of_other_end() for key, found in ends.items() if found is not None}

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        """Whether Open vSwitch has the datapath of the bridges, and what the network of a virtual machine may drop."""
        return examine(self.host, self._config)

    def close(self) -> None:
        """Close the OVSDB connection."""
        self._ovs.close()
