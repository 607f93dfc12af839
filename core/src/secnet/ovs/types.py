"""What is written to the OVS database and what is read from it.

The owner of a bridge or port stands in its external_ids, which other writers share: they are merged, never replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secnet.contract import InvalidConfig, freeze

__all__ = ["KEY_ID", "OWNER_ID", "BridgeSpec", "BridgeState", "PortSpec", "PortState", "ready"]

OWNER_ID = "secnet-owner"
"""Key in external_ids: the owner tag of the agent that made the bridge or port."""

KEY_ID = "secnet-key"
"""Key in external_ids: what a port is for, such as `CONTAINER_ID/IFNAME`; two purposes never share a port."""

VLAN_MAX = 4094
_VLAN_MODES = ("access", "dot1q-tunnel", "native-tagged", "native-untagged", "trunk")
_FAIL_MODES = ("secure", "standalone")


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSpec:
    """A bridge as it should be.

    datapath_type: `system` or `netdev`. fail_mode: None leaves the column empty, which means standalone.
    external_ids: further keys beside the owner.
    """

    name: str
    owner: str
    datapath_type: str = "system"
    mcast_snooping: bool = False
    fail_mode: str | None = None
    external_ids: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "external_ids", freeze(self.external_ids))
        _require(self.fail_mode is None or self.fail_mode in _FAIL_MODES, self.name, "fail_mode", self.fail_mode)

    @property
    def all_ids(self) -> dict[str, str]:
        """The external_ids to write."""
        return {**self.external_ids, OWNER_ID: self.owner}


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeState:
    """A bridge as the database has it. ports: names of its ports, without the local port. local_tag: VLAN of the latter."""

    name: str
    datapath_type: str
    mcast_snooping: bool
    fail_mode: str | None
    external_ids: Mapping[str, str]
    ports: tuple[str, ...]
    local_tag: int | None

    @property
    def owner(self) -> str:
        """The owner tag, empty for a bridge that is not secnet's."""
        return self.external_ids.get(OWNER_ID, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """A port with one interface of the same name, as it should be.

    tag: VLAN id; None makes a trunk of all VLANs, also without `vlan_mode`: an untagged access port is tag 0 with `access`.
    type: the interface's type; empty for a device that exists in the kernel. key: what the port is for (see KEY_ID).
    """

    bridge: str
    name: str
    owner: str
    key: str
    tag: int | None = None
    vlan_mode: str | None = None
    type: str = ""
    external_ids: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "external_ids", freeze(self.external_ids))
        # The client library drops a value that the schema refuses, without a word (measured): refuse it here.
        _require(self.tag is None or 0 <= self.tag <= VLAN_MAX, self.name, "tag", self.tag)
        _require(self.vlan_mode is None or self.vlan_mode in _VLAN_MODES, self.name, "vlan_mode", self.vlan_mode)
        _require(self.vlan_mode != "access" or self.tag is not None, self.name, "vlan_mode", "access without a tag")

    @property
    def all_ids(self) -> dict[str, str]:
        """The external_ids to write."""
        return {**self.external_ids, OWNER_ID: self.owner, KEY_ID: self.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """A port as the database has it.

    ofport: None until ovs-vswitchd has handled it, -1 if it could not open the device; `error` then says why.
    ifindex: of the device that ovs-vswitchd opened, None if it has none.
    admin_up: whether ovs-vswitchd, which follows the kernel, believes the device to be up.
    """

    name: str
    bridge: str
    tag: int | None
    vlan_mode: str | None
    trunks: tuple[int, ...]
    type: str
    ofport: int | None
    error: str
    ifindex: int | None
    admin_up: bool = False
    external_ids: Mapping[str, str]

    @property
    def owner(self) -> str:
        """The owner tag, empty for a port that is not secnet's."""
        return self.external_ids.get(OWNER_ID, "")

    @property
    def key(self) -> str:
        """What the port is for; empty for a port that is not secnet's."""
        return self.external_ids.get(KEY_ID, "")


def ready(port: PortState) -> bool:
    """Whether ovs-vswitchd took the port into its datapath."""
    return port.ofport is not None and port.ofport > 0 and not port.error


def _require(fine: bool, name: str, column: str, value: object) -> None:
    if not fine:
        raise InvalidConfig(
            f"{value!r} is no valid {column}", hint=f"correct the {column}", subject=f"OVS {name}", path=column
        )
