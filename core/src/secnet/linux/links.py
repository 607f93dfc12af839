"""Links: what the kernel knows of an interface, and the changes to it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import Conflict, NotReady

from .connection import Connection, Fault, open_socket
from .names import LINK_GROUP
from .netns import in_netns

__all__ = ["Link", "LinkRequests"]

IFF_UP = 0x1
IFF_RUNNING = 0x40
IFF_LOWER_UP = 0x10000
SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: counters are most of a reply and nobody reads them here


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An interface as it was when it was read.

    mtu, min_mtu, max_mtu: bytes; 0 where the device states no limit. kind: `veth`, `bridge`, ..., empty for a plain device.
    carrier: the device has a live peer or cable (and is up). group: 0 is the default group.
    running: the kernel sends too (RFC 2863 oper status up). It follows carrier by up to a second at the end of a veth that was
    brought up first: until then what is sent there is dropped without an error, while what comes in is received.
    master, lower: indexes of the bridge it is a port of, and of the device it sits on (a macvlan's parent); 0 if none.
    peer_index: for a veth, index of the other end in its own namespace; 0 if unknown.
    permanent_mac: the address burnt in, empty if there is none.
    parent_bus, parent_device: the device under it, such as `pci` and `0000:3b:02.1`; empty for a virtual one.
    """

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    running: bool
    kind: str
    group: int
    alias: str
    master: int
    lower: int
    peer_index: int
    min_mtu: int
    max_mtu: int
    permanent_mac: str
    parent_bus: str
    parent_device: str
    flags: int


def parse_link(message: Mapping[str, Any]) -> Link:
    """A link from an RTM_NEWLINK message."""
    attrs = dict(message["attrs"])
    info = attrs.get("IFLA_LINKINFO")
    kind = str((dict(info["attrs"]) if info else {}).get("IFLA_INFO_KIND") or "")
    other = int(attrs.get("IFLA_LINK") or 0)
    return Link(
        index=message["index"],
        name=attrs.get("IFLA_IFNAME", ""),
        mac=attrs.get("IFLA_ADDRESS", ""),
        mtu=attrs.get("IFLA_MTU", 0),
        up=bool(message["flags"] & IFF_UP),
        carrier=bool(message["flags"] & IFF_LOWER_UP),
        running=bool(message["flags"] & IFF_RUNNING),
        kind=kind,
        group=attrs.get("IFLA_GROUP", 0),
        alias=attrs.get("IFLA_IFALIAS") or "",
        master=attrs.get("IFLA_MASTER", 0),
        lower=0 if kind == "veth" else other,
        peer_index=other if kind == "veth" else 0,
        min_mtu=attrs.get("IFLA_MIN_MTU", 0),
        max_mtu=attrs.get("IFLA_MAX_MTU", 0),
        permanent_mac=attrs.get("IFLA_PERM_ADDRESS") or "",
        parent_bus=attrs.get("IFLA_PARENT_DEV_BUS_NAME") or "",
        parent_device=attrs.get("IFLA_PARENT_DEV_NAME") or "",
        flags=message["flags"],
    )


class LinkRequests(Connection):
    """Requests about links. A change of several properties is not atomic (R4): the kernel stops at the first it refuses."""

    def link(self, name: str) -> Link | None:
        """The link of this name; None if there is none."""
        return self._get(f"reading the link {name}", ifname=name)

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index; None if there is none."""
        return self._get(f"reading the link with index {index}", index=index)

    def _get(self, doing: str, **which: Any) -> Link | None:
        try:
            messages = self._try("link", "get", ext_mask=SKIP_STATS, **which)
        except Fault as fault:
            if fault.code in (errno.ENODEV, errno.ENXIO):
                return None
            raise self._error(fault, doing) from fault.__cause__
        return parse_link(messages[0])

    def links(self, *, group: int | None = None) -> tuple[Link, ...]:
        """All links; with `group`, those of one link group."""
        found = (parse_link(message) for message in self._dump("link", "listing the links", ext_mask=SKIP_STATS))
        return tuple(link for link in found if group is None or link.group == group)

    def create_veth(
        self,
        host_name: str,
        peer_name: str,
        peer_netns_fd: int,
        peer_mac: str | None = None,
        mtu: int = 1500,
        group: int = LINK_GROUP,
    ) -> Link:
        """Make a veth pair by one message (R4): both names, the MTU of both, the peer's MAC and namespace, our link group.

        Both ends are down; the host end is returned, with the peer's index. The kernel ignores an alias here: set it next.
        Raises Conflict, whose subject is the name taken, if the host or the Pod has a link of that name already.
        """
        peer: dict[str, Any] = {"ifname": peer_name, "mtu": mtu, "net_ns_fd": peer_netns_fd}
        if peer_mac is not None:
            peer["address"] = peer_mac
        try:
            messages = self._try("link", "add", ifname=host_name, kind="veth", mtu=mtu, group=group, peer=peer)
        except Fault as fault:
            if fault.code == errno.EEXIST:
                raise self._name_taken(host_name, peer_name) from fault.__cause__
            raise self._error(
                fault, f"creating the veth pair {host_name} and {peer_name}", host_name
            ) from fault.__cause__
        echoed = [message for message in messages if message["header"]["type"] == 16]  # RTM_NEWLINK
        made = parse_link(echoed[0]) if echoed else self.link(host_name)  # kernels before 6.x do not echo
        if made is None:
            raise NotReady(
                f"the veth {host_name} vanished right after it was made", hint="it is tried again", subject=host_name
            )
        return made

    def _name_taken(self, host_name: str, peer_name: str) -> Conflict:
        if self.link(host_name) is not None:
            where, name = "on the host", host_name
        else:
            where, name = "in the Pod", peer_name
        return Conflict(
            f"a link named {name} exists already {where}",
            hint="remove it, or ask for another interface name",
            subject=name,
        )

    def set_link(
        self,
        index: int,
        *,
        alias: str | None = None,
        up: bool | None = None,
        mtu: int | None = None,
        mac: str | None = None,
        name: str | None = None,
        group: int | None = None,
        master: int | None = None,
    ) -> None:
        """Change what is given, by one message. An empty alias removes it; master 0 takes the link out of its bridge."""
        fields = _given(IFLA_IFALIAS=alias, mtu=mtu, address=mac, ifname=name, group=group, master=master)
        if up is not None:
            fields["state"] = "up" if up else "down"
        wanted = ", ".join(f"{key.removeprefix('IFLA_').lower()} {value}" for key, value in fields.items())
        self._do("link", "set", f"setting {wanted} of the link with index {index}", index=index, **fields)

    def move_link(
        self,
        index: int,
        netns_fd: int,
        name: str,
        *,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool | None = None,
    ) -> None:
        """Move a link into another namespace under a new name, by one message that may set MAC, MTU and state too.

        Raises Conflict, with nothing changed, if the name is taken there. Set first what else may be refused (R4): measured,
        a refused name or MTU leaves the link in the other namespace under its old name.
        """
        self._require_free(netns_fd, name)
        fields = _given(address=mac, mtu=mtu)
        if up is not None:
            fields["state"] = "up" if up else "down"
        doing = f"moving the link with index {index} to another namespace as {name}"
        self._do("link", "set", doing, name, index=index, net_ns_fd=netns_fd, ifname=name, **fields)

    @staticmethod
    def _require_free(netns_fd: int, name: str) -> None:
        there = LinkRequests(in_netns(netns_fd, open_socket))
        try:
            if there.link(name) is not None:
                raise _taken(name, "in the other namespace")
        finally:
            there.close()

    def delete_link(self, index: int) -> None:
        """Remove a link, and with it its veth peer. A link that is gone is success."""
        try:
            self._try("link", "del", index=index)
        except Fault as fault:
            if fault.code not in (errno.ENODEV, errno.ENXIO):
                raise self._error(fault, f"removing the link with index {index}") from fault.__cause__


def _taken(name: str, where: str) -> Conflict:
    return Conflict(
        f"a link named {name} exists already {where}", hint="remove it, or ask for another interface name", subject=name
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
