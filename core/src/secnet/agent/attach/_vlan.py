"""Which VLAN an attachment gets: decided by the core, for every driver alike."""

from __future__ import annotations

from secnet.contract import Attachment, Conflict, DriverInfo, IpamLease, Unsupported

__all__ = ["resolve_vlan"]


def resolve_vlan(info: DriverInfo, attachment: Attachment, lease: IpamLease | None) -> int | None:
    """The VLAN id, 0 for untagged, None for a type without VLANs.

    A non-zero `vlan` of the NAD wins over the pools (document, "vlan"). Pools that disagree are a Conflict only where the NAD
    has none; a pool VLAN on a type without VLANs is Unsupported (docs/architecture.md).
    """
    pools = lease.vlans if lease else ()
    subject = f"NetworkAttachmentDefinition {attachment.request.network}"
    if not info.vlan:
        if pools:
            raise Unsupported(
                f"its IPPools say VLAN {pools[0]}, but network type {info.network_type} has no VLANs",
                hint="use IPPools without a vlan, or a network type with VLANs",
                subject=subject,
                path="$.ipam.ippools",
            )
        return None
    own = int(attachment.request.options.get("vlan", 0) or 0)
    if own:
        return own
    if len(pools) > 1:
        raise Conflict(
            f"its IPPools say different VLANs: {', '.join(map(str, pools))}",
            hint="set vlan in the NAD, or use pools of one VLAN",
            subject=subject,
            path="$.ipam.ippools",
        )
    return pools[0] if pools else 0
