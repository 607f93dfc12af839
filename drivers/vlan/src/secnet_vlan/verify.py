"""Compare the OVS port with an attachment."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import Attachment, Finding
from secnet.linux.rtnl import Link
from secnet.ovs import PortState, ready

__all__ = ["port_findings"]


def port_findings(
    attachment: Attachment, owner_tag: str, port: PortState | None, host_end: Link | None
) -> Iterator[Finding]:
    """Deviations of the OVS port."""
    name, bridge = attachment.names["host"], attachment.names["bridge"]
    if port is None:
        yield Finding(code="PortMissing", message=f"the bridge {bridge} has no port {name}")
        return
    if port.owner != owner_tag or port.key != str(attachment.key):
        yield Finding(code="PortForeign", message=f"the port {name} is not this interface's", repairable=False)
        return
    if port.bridge != bridge:
        yield Finding(code="WrongBridge", message=f"the port {name} is on {port.bridge} instead of {bridge}")
    if (port.tag, port.vlan_mode, port.trunks) != (attachment.vlan or 0, "access", ()):
        yield Finding(
            code="WrongVlan",
            message=f"the port {name} has tag {port.tag}, vlan_mode {port.vlan_mode} and trunks {list(port.trunks)} "
            f"instead of an access port of VLAN {attachment.vlan or 0}",
        )
    if not ready(port):
        # Without an error ovs-vswitchd is not done or not there, as while it restarts: that is not to be repaired port by port.
        message = f"ovs-vswitchd does not serve the port {name}: {port.error or 'no answer yet'}"
        yield Finding(code="PortNotReady", message=message, repairable=bool(port.error))
    elif host_end is not None and port.ifindex not in (None, host_end.index):
        yield Finding(code="PortStale", message=f"ovs-vswitchd still serves an older link named {name}")
