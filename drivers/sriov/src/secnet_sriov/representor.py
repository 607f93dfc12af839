"""The port of a function in the card's own switch: its representor, plugged into Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import (
    Attachment,
    AttachRequest,
    Call,
    Finding,
    HostContext,
    InvalidConfig,
    NotReady,
    Permanent,
    Unavailable,
    Unsupported,
)
from secnet.linux.functions import Function
from secnet.linux.rtnl import Link, Rtnl
from secnet.ovs import OvsClient, PortSpec, PortState, ready

from .card import Card
from .settings import network_of

__all__ = ["plan_port", "plug", "port_findings", "unplug"]

_PROMISC = 0x100  # IFF_PROMISC, which the userspace datapath sets; the kernel's makes the link a port of its own device
_LET_GO_SECONDS = 2.0
_POLL_SECONDS = 0.02


def plan_port(
    card: Card, ovs: OvsClient, host: HostContext, request: AttachRequest, function: Function, call: Call
) -> dict[str, str]:
    """The names `bridge` and `representor`; none for a network without a bridge.

    A bridge is one that secnet made or that the node's configuration names: no network reaches the primary network's.
    """
    bridge = request.options.get("bridge")
    if not bridge:
        return {}
    representor = card.functions.representor(function)
    if not representor:
        raise Unsupported(
            f"the device {function.id} has no representor here",
            hint="put the card into switchdev mode (docs/sriov.md), or leave bridge out",
            subject=network_of(request),
            path="$.bridge",
        )
    found = ovs.bridge(bridge, call)
    if bridge not in host.config.get("bridges", ()) and (found is None or found.owner != host.owner_tag):
        raise InvalidConfig(
            f"{bridge} is no bridge for networks of this type",
            hint=f"name a bridge of secnet's, or list it in drivers.{request.network_type}.bridges of the node configuration",
            subject=network_of(request),
            path="$.bridge",
        )
    if found is None:
        raise NotReady(
            "the bridge does not exist yet",
            hint="it is tried again; make the bridge, or correct it in the NetworkAttachmentDefinition",
            subject=f"OVS bridge {bridge}",
        )
    return {"bridge": bridge, "representor": representor}


def prior_of(kernel: Rtnl, names: dict[str, str]) -> dict[str, object]:
    """MTU and state of the representor, to be restored."""
    link = kernel.link(names["representor"]) if names else None
    return {"representor": {"mtu": link.mtu, "up": link.up, "promisc": bool(link.flags & _PROMISC)}} if link else {}


def plug(kernel: Rtnl, ovs: OvsClient, host: HostContext, attachment: Attachment, call: Call) -> None:
    """Bring the representor up with the interface's MTU, then make it an access port of the VLAN."""
    name = attachment.names.get("representor")
    if not name:
        return
    link = kernel.link(name)
    if link is None:
        raise NotReady("the representor is gone", hint="it is tried again", subject=f"link {name}")
    mtu = max(link.mtu, attachment.mtu or 0)
    if not link.up or link.mtu != mtu:
        with call.step("representor.up", link=name, mtu=mtu):
            kernel.set_link(link.index, mtu=mtu, up=True)
    spec = PortSpec(
        bridge=attachment.names["bridge"],
        name=name,
        owner=host.owner_tag,
        key=str(attachment.key),
        tag=attachment.vlan or 0,
        vlan_mode="access",
        external_ids=_ids(attachment),
    )
    port = ovs.port(name, call)
    if port is not None and _is_ours(port, host, attachment) and (port.error or port.bridge != spec.bridge):
        _delete(ovs, port, host, attachment, call)
    with call.step("port.add", bridge=spec.bridge, port=name, vlan=spec.tag):
        ovs.add_port(spec, call)


def _delete(ovs: OvsClient, port: PortState, host: HostContext, attachment: Attachment, call: Call) -> None:
    with call.step("port.delete", bridge=port.bridge, port=port.name):
        ovs.delete_port(port.name, host.owner_tag, call, key=str(attachment.key))


def _ids(attachment: Attachment) -> dict[str, str]:
    """Readable, for `ovs-vsctl find port external_ids:secnet-pod=default/web`, as the ports of other types have it."""
    request = attachment.request
    pod = {"secnet-pod": str(request.pod), "secnet-pod-uid": request.pod.uid} if request.pod else {}
    return {"secnet-type": request.network_type, "secnet-network": str(request.network), **pod}


def unplug(kernel: Rtnl, ovs: OvsClient, host: HostContext, attachment: Attachment, call: Call) -> None:
    """Take the port away if it is ours, and give the representor its old MTU and state."""
    name = attachment.names.get("representor")
    if not name:
        return
    port = _port(ovs, name, attachment, call)
    if port is not None and _is_ours(port, host, attachment):
        _delete(ovs, port, host, attachment, call)
    before = attachment.prior.get("representor")
    link = _let_go(kernel, name, bool(before["promisc"]), call) if before else None
    if before and link is not None and (link.mtu, link.up) != (before["mtu"], before["up"]):
        _restore(kernel, link, before["mtu"], before["up"], call)


def _restore(kernel: Rtnl, link: Link, mtu: int, up: bool, call: Call) -> None:
    """An MTU that is refused for good keeps no device."""
    try:
        with call.step("representor.restore", link=link.name):
            kernel.set_link(link.index, mtu=mtu, up=up)
    except Permanent as exc:
        call.log.warning("the representor %s keeps the MTU %s instead of %s: %s", link.name, link.mtu, mtu, exc.message)
        if link.up != up:
            with call.step("representor.restore", link=link.name):
                kernel.set_link(link.index, up=up)


def _port(ovs: OvsClient, name: str, attachment: Attachment, call: Call) -> PortState | None:
    """The representor's port. Where no record says that there is one, a host without Open vSwitch has none."""
    try:
        return ovs.port(name, call)
    except (Unavailable, Unsupported) as exc:
        if "bridge" in attachment.names:
            raise
        call.log.info("whether %s is a port of Open vSwitch is not known: %s", name, exc)
        return None


def _let_go(kernel: Rtnl, name: str, promisc: bool, call: Call) -> Link | None:
    """The representor, once ovs-vswitchd has taken its hands off, which it does a moment after the port is deleted.

    It would bring up again what is brought down before. Where it does not, as it is not running, this goes on all the same.
    """
    waited = 0.0
    while True:
        link = kernel.link(name)
        free = link is None or (not link.master and bool(link.flags & _PROMISC) == promisc)
        if free or waited >= _LET_GO_SECONDS:
            return link
        call.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def port_findings(ovs: OvsClient, host: HostContext, attachment: Attachment, call: Call) -> Iterator[Finding]:
    """Deviations of the port."""
    name = attachment.names.get("representor")
    if not name:
        return
    port = ovs.port(name, call)
    if port is None or not _is_ours(port, host, attachment):
        yield Finding(code="PortMissing", message=f"Open vSwitch has no port {name} of this interface")
        return
    wanted = (attachment.names["bridge"], attachment.vlan or 0, "access", ())
    if (port.bridge, port.tag, port.vlan_mode, port.trunks) != wanted:
        message = f"the port {name} on {port.bridge} has tag {port.tag} and vlan_mode {port.vlan_mode}"
        yield Finding(code="WrongVlan", message=message)
    if not ready(port):
        message = f"ovs-vswitchd does not serve the port {name}: {port.error or 'no answer yet'}"
        yield Finding(code="PortNotReady", message=message, repairable=bool(port.error))


def _is_ours(port: PortState | None, host: HostContext, attachment: Attachment) -> bool:
    return port is not None and (port.owner, port.key) == (host.owner_tag, str(attachment.key))
