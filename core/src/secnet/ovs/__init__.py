"""Open vSwitch through its database: bridges and ports, for every driver.

    client = OvsClient("unix:/var/run/openvswitch/db.sock")
    state = client.add_port(PortSpec(bridge="br-secondary", name="sn0a1b", owner="secnet", tag=100, vlan_mode="access"), call)
    client.delete_port("sn0a1b", "secnet", call)
    client.close()

The extra `secnet[ovs]` brings ovsdbapp; it is imported by the first call, not by this package.
"""

from .client import OvsClient
from .daemon import SwitchDaemon
from .look import OvsFacts, look
from .types import KEY_ID, OWNER_ID, BridgeSpec, BridgeState, PortSpec, PortState, ready

__all__ = [
    "KEY_ID",
    "OWNER_ID",
    "BridgeSpec",
    "BridgeState",
    "OvsClient",
    "OvsFacts",
    "PortSpec",
    "PortState",
    "SwitchDaemon",
    "look",
    "ready",
]
