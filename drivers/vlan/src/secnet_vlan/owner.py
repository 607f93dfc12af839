"""What stands in the external_ids of a Pod's port: enough for a process without any record to know whose it is.

The values are readable, so that `ovs-vsctl find port external_ids:secnet-pod=default/web` answers the operator's question.
"""

from __future__ import annotations

from collections.abc import Mapping

from secnet.contract import Attachment, AttachmentId, AttachRequest, NetnsRef, NetworkRef, PodRef
from secnet.ovs import PortState

__all__ = ["NETWORK_TYPE", "ROLE_ID", "ROLE_POD", "ROLE_UPLINK", "from_port", "ids_for", "mac_of", "user_of"]

NETWORK_TYPE = "vlan"
ROLE_ID = "secnet-role"
ROLE_POD = "pod"
ROLE_UPLINK = "uplink"

_TYPE = "secnet-type"
_POD = "secnet-pod"
_POD_UID = "secnet-pod-uid"
_NODE = "secnet-node"
_NETWORK = "secnet-network"
_NETNS = "secnet-netns"
_NETNS_ID = "secnet-netns-id"
_MAC = "secnet-mac"
_MTU = "secnet-mtu"


def ids_for(attachment: Attachment) -> dict[str, str]:
    """The external_ids of an attachment's port, beside the owner and key that secnet.ovs writes."""
    request = attachment.request
    netns = request.netns
    ids = {
        ROLE_ID: ROLE_POD,
        _TYPE: request.network_type,
        _NETWORK: str(request.network),
        _NETNS: netns.path,
        _NETNS_ID: f"{netns.device}:{netns.inode}:{netns.cookie}",
        _MAC: attachment.mac or "",
        _MTU: str(attachment.mtu or 0),
    }
    if request.pod is not None:
        ids |= {_POD: str(request.pod), _POD_UID: request.pod.uid, _NODE: request.pod.node}
    return ids


def user_of(port: PortState) -> str:
    """The Pod that a port of ours serves, NAMESPACE/NAME; its sandbox where the caller named no Pod."""
    key = _key(port.key)
    return port.external_ids.get(_POD) or (key.container_id if key is not None else port.name)


def mac_of(port: PortState) -> str:
    """The MAC with which a port's interface was attached; empty if it is no Pod's."""
    return port.external_ids.get(_MAC, "")


def from_port(port: PortState) -> Attachment | None:
    """The attachment that a port of ours belongs to; None if it is no Pod's port of this type."""
    ids = port.external_ids
    key = _key(port.key)
    if key is None or ids.get(ROLE_ID) != ROLE_POD or ids.get(_TYPE) != NETWORK_TYPE:
        return None
    request = AttachRequest(
        container_id=key.container_id,
        ifname=key.ifname,
        pod=_pod(ids),
        network=NetworkRef(**_pair(ids.get(_NETWORK, ""))),
        network_type=NETWORK_TYPE,
        netns=_netns(ids),
        options={"bridge": port.bridge, "vlan": port.tag or 0},
    )
    return Attachment(
        request=request,
        names={"host": port.name, "bridge": port.bridge},
        mac=ids.get(_MAC) or None,
        mtu=_number(ids.get(_MTU, "")) or None,
        vlan=port.tag,
    )


def _key(text: str) -> AttachmentId | None:
    container_id, slash, ifname = text.rpartition("/")
    return AttachmentId(container_id=container_id, ifname=ifname) if slash and container_id and ifname else None


def _pair(text: str) -> dict[str, str]:
    namespace, _, name = text.partition("/")
    return {"namespace": namespace, "name": name}


def _pod(ids: Mapping[str, str]) -> PodRef | None:
    return PodRef(**_pair(ids[_POD]), uid=ids.get(_POD_UID, ""), node=ids.get(_NODE, "")) if _POD in ids else None


def _netns(ids: Mapping[str, str]) -> NetnsRef:
    parts = [_number(part) for part in ids.get(_NETNS_ID, "").split(":")]
    device, inode, cookie = [*parts, 0, 0, 0][:3]
    return NetnsRef(path=ids.get(_NETNS, ""), device=device, inode=inode, cookie=cookie)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
