"""Small contract objects for unit tests."""

from typing import Any

from secnet.agent.model.record import Phase, Record
from secnet.agent.model.selection import SelectionId
from secnet.agent.model.work import Work
from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    IpamLease,
    IpamOwner,
    LeaseAddress,
    NetnsRef,
    NetworkRef,
    PodRef,
)

POD = PodRef(namespace="default", name="web", uid="uid-web")


def network(name: str = "blue") -> NetworkRef:
    return NetworkRef(namespace="default", name=name)


def selection_id(name: str = "blue", ordinal: int = 0, interface: str = "") -> SelectionId:
    return SelectionId(network=network(name), interface=interface, ordinal=ordinal)


def request(ifname: str = "eth1", *, name: str = "blue", container: str = "c1", **rest: Any) -> AttachRequest:
    return AttachRequest(
        container_id=container,
        ifname=ifname,
        pod=rest.pop("pod", POD),
        network=network(name),
        network_type="toy",
        netns=NetnsRef(path="/run/netns/none", device=1, inode=2),
        **rest,
    )


def lease(*addresses: str, container: str = "c1", ifname: str = "eth1", **rest: Any) -> IpamLease:
    return IpamLease(
        owner=IpamOwner(container_id=container, ifname=ifname, pod=POD),
        addresses=tuple(LeaseAddress(address=address) for address in addresses),
        **rest,
    )


def record(
    ifname: str = "eth1",
    *,
    name: str = "blue",
    container: str = "c1",
    phase: Phase = Phase.ATTACHED,
    addresses: tuple[str, ...] = (),
    **rest: Any,
) -> Record:
    attachment = Attachment(
        request=request(ifname, name=name, container=container, pod=rest.pop("pod", POD)),
        names={"host": "sn1"},
        lease=lease(*addresses, container=container, ifname=ifname),
    )
    return Record(
        phase=phase,
        boot_id="boot",
        attachment=attachment,
        selection_id=rest.pop("selection_id", selection_id(name)),
        result=AttachResult(mac="02:00:00:00:00:01", mtu=1500),
        **rest,
    )


def work(
    ifname: str = "eth1", *, name: str = "blue", attachment_options: dict[str, Any] | None = None, **rest: Any
) -> Work:
    return Work(
        selection_id=rest.pop("selection_id", selection_id(name)),
        request=request(ifname, name=name, **rest),
        attachment_options=attachment_options or {},
    )
