"""Which bridges living Pods are on, and which uplinks stay with them.

An uplink never leaves a bridge that has Pods: they would be cut off the wire while everything says that they are attached. The
configuration takes effect when the last of them is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from secnet.contract import Attachment
from secnet.ovs import PortState

from .config import NodeConfig
from .owner import ROLE_ID, ROLE_UPLINK, user_of

__all__ = ["Occupancy", "counted", "is_uplink"]


class Occupancy:
    """By the ports with our owner tag, and by the attachments of which a part may be missing now. Read-only."""

    def __init__(self, ports: Iterable[PortState], attachments: Iterable[Attachment] = ()) -> None:
        ports = tuple(ports)
        self.uplinks = tuple(port for port in ports if is_uplink(port))
        self._users: dict[str, set[str]] = {}
        for port in ports:
            if not is_uplink(port):
                self._users.setdefault(port.bridge, set()).add(user_of(port))
        for attachment in attachments:
            pod = str(attachment.request.pod or attachment.key.container_id)
            self._users.setdefault(attachment.names.get("bridge", ""), set()).add(pod)

    def pods(self, bridge: str) -> int:
        """How many Pods are on the bridge."""
        return len(self._users.get(bridge, ()))

    def staying(self, desired: NodeConfig, present: Collection[str]) -> tuple[PortState, ...]:
        """The uplink ports that the configuration has elsewhere or no longer, and that stay for the Pods of their bridge.

        present: the links that the node has. One that is missing carries nothing: a configured bridge is then free for its new
        uplinks. A bridge that is no longer configured gets no others, and keeps it in case it comes back.
        """
        configured = {bridge.name: bridge.uplinks for bridge in desired.bridges}
        return tuple(
            port
            for port in self.uplinks
            if port.name not in configured.get(port.bridge, ())
            and self.pods(port.bridge)
            and (port.bridge not in configured or port.name in present)
        )


def is_uplink(port: PortState) -> bool:
    """Whether a port of ours is one of the node's uplinks."""
    return port.external_ids.get(ROLE_ID) == ROLE_UPLINK


def counted(pods: int) -> str:
    """The number in words."""
    return f"{pods} Pod{'' if pods == 1 else 's'}"
