"""The alias that marks a device's link as ours: `OWNER_TAG:CONTAINER_ID/IFNAME:NETWORK_TYPE`.

It goes with the link into the Pod and back, so it outlives the record, the agent and the Pod. The type at its end separates our
links from those of other drivers under the same tag, and the three types here from each other.
"""

from __future__ import annotations

from secnet.contract import AttachmentId, AttachRequest
from secnet.linux.names import alias_for, parse_alias

__all__ = ["mark_of", "parse_mark"]


def mark_of(owner_tag: str, request: AttachRequest) -> str:
    """The alias of the link of this request."""
    return f"{alias_for(owner_tag, request.key)}:{request.network_type}"


def parse_mark(alias: str) -> tuple[str, AttachmentId, str] | None:
    """Owner tag, key and network type; None for any other text."""
    front, colon, network_type = alias.rpartition(":")
    found = parse_alias(front) if colon and network_type.startswith("sriov") else None
    return (*found, network_type) if found else None
