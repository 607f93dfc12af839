"""The MTU that IPv6 needs."""

from __future__ import annotations

from secnet.contract import Attachment, InvalidConfig

__all__ = ["IPV6_MTU", "require_mtu"]

IPV6_MTU = 1280
"""RFC 8200. On a link with less the kernel has no IPv6 at all, not even its sysctls."""


def require_mtu(attachment: Attachment, mtu: int | None) -> None:
    """Raise InvalidConfig if the lease has an IPv6 address and the interface is to have less than IPv6 needs.

    mtu: None while it is not known.
    """
    addresses = attachment.lease.addresses if attachment.lease else ()
    address = next((item.address for item in addresses if ":" in item.address), None)
    if address is None or mtu is None or mtu >= IPV6_MTU:
        return
    asked = attachment.request.mtu
    where = "mtu" if asked else "defaultMtu in the node configuration, or the MTU of the uplink,"
    raise InvalidConfig(
        f"an MTU of {mtu} is too small for the address {address}: IPv6 needs {IPV6_MTU}",
        hint=f"set {where} to {IPV6_MTU} or more, or give the network no IPv6 addresses",
        subject=f"NetworkAttachmentDefinition {attachment.request.network}",
        path="$.mtu" if asked else "",
    )
