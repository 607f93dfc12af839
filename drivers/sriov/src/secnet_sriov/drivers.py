"""The network types `sriov`, `sriov-vf` and `sriov-sf`: one life cycle; they differ in the kind of function they take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    DriverInfo,
    HostContext,
    Inventory,
    Needs,
    NetworkDriver,
    NodeReport,
    ProbeReport,
    SecnetError,
    StatusColumn,
    Traffic,
    load_fragment,
)
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import pod_rtnl
from secnet.ovs import OvsClient

from .attaching import attach
from .card import Card
from .checking import check, take_inventory
from .detaching import detach
from .planning import make_plan
from .settings import require_consistent
from .store import HoldingStore
from .tools import Tools

__all__ = ["SriovDriver", "SriovSfDriver", "SriovVfDriver"]


class SriovDriver(NetworkDriver):
    """The type of Antrea's SR-IOV networks: whatever kind of function the device plugin gives.

    Thread-safe; holds at most one OVSDB connection, opened for the first network with a bridge.
    """

    network_type: ClassVar[str] = "sriov"
    summary: ClassVar[str] = "virtual function or subfunction of a network card, as the device plugin gives it"
    card_class: ClassVar[type[Card]] = Card
    options_file: ClassVar[str] = "options.json"
    example: ClassVar[Mapping[str, Any]] = {"vlan": 100, "spoofchk": "on"}

    def __init__(self, host: HostContext) -> None:
        super().__init__(host)
        self._ovs = OvsClient(host.ovsdb)
        self._tools = Tools(host=host, card=self.card_class(host.sysfs_root), store=HoldingStore(host), ovs=self._ovs)

    @classmethod
    def describe(cls) -> DriverInfo:
        """Options of the card's port for a function (`options_file`); node configuration `bridges`; requests need a device."""
        return DriverInfo(
            network_type=cls.network_type,
            summary=cls.summary,
            options=load_fragment("secnet_sriov", cls.options_file),
            node=load_fragment("secnet_sriov", "node.json"),
            capabilities=frozenset({"mac", "mtu"}),
            needs_device=True,
            vlan=True,
            needs=Needs(privileges=("CAP_NET_ADMIN", "CAP_SYS_ADMIN"), writable=("/sys",)),
            status_columns=(StatusColumn(key="bridge", title="BRIDGE"),),
            example=cls.example,
        )

    def probe(self) -> ProbeReport:
        """Ready with privileges and a sysfs to look into. Whether there are functions is a matter of each request."""
        if problem := lacking(self.host.proc_root, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
            return ProbeReport(ready=False, message=problem)
        devices = self.host.sysfs_root / "bus" / "pci" / "devices"
        if not devices.is_dir():
            return ProbeReport(ready=False, message=f"{devices} does not exist; mount sysfs, on a host with a PCI bus")
        functions = self._tools.card.functions.all()
        found = f"{sum(1 for item in functions if item.parent)} virtual functions and subfunctions"
        if os.statvfs(devices).f_flag & os.ST_RDONLY:
            return ProbeReport(
                ready=False,
                message=f"{self.host.sysfs_root} is read-only; mount it writable into the agent's container",
            )
        return ProbeReport(ready=True, message=found)

    def validate(self, options: Mapping[str, Any]) -> None:
        """Refuse rates that cross, and what the tag of a port of Open vSwitch does not have."""
        require_consistent(options)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        """The device."""
        return (request.device.id,) if request.device else ()

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        """Find the device, refuse what the host can refuse now, capture what the device is."""
        return make_plan(self._tools, request, call)

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        """Set up card and link on the host, then move the link; see `attaching` for the order."""
        return attach(self._tools, attachment, call)

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        """Link, attributes of the physical function, representor's port. Raises Gone without the netns."""
        return check(self._tools, attachment, call)

    def detach(self, attachment: Attachment, call: Call) -> None:
        """Bring the device back and make it what it was."""
        detach(self._tools, attachment, call)

    def inventory(self, call: Call) -> Inventory:
        """What is held under our tag, and what has our mark without being held."""
        return take_inventory(self._tools, self.network_type, call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        """Forget what was saved in earlier boots. Which bridges may be used needs nothing made."""
        for folder in self._tools.store.earlier():
            with call.step("boot.forget", folder=str(folder)):
                self._tools.store.forget(folder)
        return NodeReport()

    def traffic(self, call: Call) -> Mapping[AttachmentId, Traffic]:
        """By the counters of the links in their Pods; a device that a driver in userspace has got has none."""
        found = {}
        for attachment in call.attachments:
            call.checkpoint()
            if attachment.state.get("userspace"):
                continue
            with suppress(SecnetError), pod_rtnl(attachment.request.netns) as (_, pod):
                if (counters := pod.counters().get(attachment.request.ifname)) is not None:
                    found[attachment.key] = counters.of_this_end()
        return found

    def close(self) -> None:
        """Close the OVSDB connection."""
        self._ovs.close()


class SriovVfDriver(SriovDriver):
    """Virtual functions only."""

    network_type = "sriov-vf"
    summary = "virtual function of a network card"


class SriovSfDriver(SriovDriver):
    """Subfunctions only: no physical function keeps anything for them, so their options are fewer."""

    network_type = "sriov-sf"
    summary = "subfunction of a network card"
    options_file = "options-sf.json"
    example: ClassVar[Mapping[str, Any]] = {"vlan": 100, "bridge": "br-offload"}
