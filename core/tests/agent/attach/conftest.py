"""A Pod for the layer-3 step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from secnet.agent.attach.layer3 import Layer3
from secnet.agent.model.network import CommonOptions
from secnet.agent.model.record import Phase, Record
from secnet.agent.model.selection import SelectionId
from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    IpamLease,
    IpamOwner,
    LeaseAddress,
    NetworkRef,
    Route,
)
from secnet.linux.rtnl import host_rtnl, netns_rtnl
from secnet_testing.netns import Namespace, NetnsFactory, run_in

__all__ = ["LAYER3", "Pod", "applied", "codes", "pod"]

LAYER3 = Layer3()


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A Pod whose eth1 is wired to `host0` of the node, down and without addresses, as a driver leaves it."""

    ns: Namespace
    mac: str = "02:00:00:00:00:01"

    def attachment(
        self, *addresses: str, gateway: str | None = None, routes: tuple[Route, ...] = (), ifname: str = "eth1"
    ) -> Attachment:
        request = AttachRequest(
            container_id="c1",
            ifname=ifname,
            network=NetworkRef(namespace="default", name="blue"),
            network_type="toy",
            netns=self.ns.ref,
        )
        lease = IpamLease(
            owner=IpamOwner(container_id="c1", ifname=ifname),
            addresses=tuple(
                LeaseAddress(address=address, gateway=gateway if (":" in address) == (":" in (gateway or "")) else None)
                for address in addresses
            ),
            routes=routes,
        )
        return Attachment(request=request, lease=lease)

    def record(
        self,
        attachment: Attachment,
        attachment_options: dict[str, object] | None = None,
        *,
        accept_ra: bool = False,
        late: bool = False,
    ) -> Record:
        return Record(
            phase=Phase.ATTACHING,
            boot_id="b",
            attachment=attachment,
            selection_id=SelectionId(network=attachment.request.network),
            attachment_options=attachment_options or {},
            result=AttachResult(mac=self.mac, mtu=1500, late_carrier=late),
            common=CommonOptions(accept_ra=accept_ra),
        )

    def apply(
        self, attachment: Attachment, attachment_options: dict[str, object] | None = None, *, late: bool = False
    ) -> Record:
        return applied(self.record(attachment, attachment_options, late=late))

    def findings(self, attachment: Attachment, attachment_options: dict[str, object] | None = None) -> list[str]:
        return codes(self.record(attachment, attachment_options))

    def ip(self, words: str) -> str:
        """What `ip` says, without its word for a link that has no carrier yet."""
        return run_in(self.ns, ["ip", *words.split()]).replace(" linkdown", "")

    def wait_running(self) -> None:
        """Until the kernel sends through both ends of eth1: what is sent earlier is lost without an error."""
        with self.ns.open() as fd, host_rtnl() as host, netns_rtnl(fd) as pod:
            deadline = time.monotonic() + 10
            while not all(link is not None and link.running for link in (host.link("host0"), pod.link("eth1"))):
                assert time.monotonic() < deadline, "eth1 did not come up"
                time.sleep(0.005)

    def add_eth0(self, *addresses: str, ifname: str = "eth0") -> None:
        """An interface of another network: its far end stands in the Pod too, so that it has carrier."""
        self.ip(f"link add {ifname} type veth peer name {ifname}-far")
        for address in addresses:
            self.ip(f"addr add {address} dev {ifname}" + " nodad" * (":" in address))
        for name in (ifname, f"{ifname}-far"):
            self.ip(f"link set {name} up")


def applied(record: Record) -> Record:
    """The record after the step, as the pipeline does it."""
    record = record.replace(layer3=LAYER3.prior(record))
    LAYER3.apply(record, Call.within(10))
    return record


def codes(record: Record) -> list[str]:
    return [finding.code for finding in LAYER3.check(record, Call.within(10))]


@pytest.fixture
def pod(node_netns: Namespace, netns_factory: NetnsFactory) -> Pod:
    pod = Pod(ns=netns_factory())
    with pod.ns.open() as fd, host_rtnl() as host:
        veth = host.create_veth("host0", "eth1", fd, pod.mac, 1500)
        host.set_link(veth.index, up=True)
        host.add_address(veth.index, "10.0.0.1/24")
        host.add_address(veth.index, "fd00::1/64")
    return pod
