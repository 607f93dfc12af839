"""Requests about links: reading, making, changing, moving and removing them."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from secnet.contract import Conflict, NotReady

from .connection import NO_FIELDS, Attributes, Connection, Header, NetlinkError, given, open_socket
from .counters import LinkCounters, parse_counters
from .link import IFF_UP, Link, parse_link
from .names import LINK_GROUP, checked_ifname
from .netns import in_netns

__all__ = ["LinkRequests"]

_SKIP_STATS = [("IFLA_EXT_MASK", 8)]  # RTEXT_FILTER_SKIP_STATS: counters are most of a reply and are not read here


class LinkRequests(Connection):
    """Requests about links. A change of several properties is not atomic (R4): the kernel stops at the first it refuses.

    What can be no name of an interface is InvalidConfig before the kernel is asked: it would take `%` as a pattern.
    """

    def link(self, name: str) -> Link | None:
        """The link of this name, also as an alternative one (see `Link.altnames`); None if there is none."""
        return self._get(f"reading the link {name}", [("IFLA_IFNAME", name)])

    def link_by_index(self, index: int) -> Link | None:
        """The link of this index; None if there is none."""
        return self._get("reading a link by its index", [], {"index": index})

    def link_name(self, index: int) -> str:
        """How to call a link in a message: its name, unless it is gone."""
        link = self.link_by_index(index)
        return link.name if link is not None else f"a link that is gone (index {index})"

    def _get(self, doing: str, attrs: list[tuple[str, Any]], header: Header = NO_FIELDS) -> Link | None:
        try:
            bodies = self._try("link", "get", attrs=attrs + _SKIP_STATS, header=header)
        except NetlinkError as fault:
            if fault.code in (errno.ENODEV, errno.ENXIO):
                return None
            raise self._error(fault, doing) from fault
        return parse_link(bodies[0])

    def links(self, *, group: int | None = None) -> tuple[Link, ...]:
        """All links; with `group`, those of one link group."""
        found = map(parse_link, self._dump("link", "listing the links", _SKIP_STATS))
        return tuple(link for link in found if group is None or link.group == group)

    def counters(self) -> dict[str, LinkCounters]:
        """What went through each link of this namespace, by the links' names."""
        found = map(parse_counters, self._dump("link", "reading the links' counters"))
        return {each.name: each for each in found if each is not None}

    def create_link(
        self,
        name: str,
        kind: str,
        *,
        netns_fd: int | None = None,
        lower: int = 0,
        mac: str | None = None,
        mtu: int | None = None,
        group: int = LINK_GROUP,
        data: Sequence[tuple[str, Any]] = (),
    ) -> Link:
        """Make a link of any kind by one message (R4) and return it, down. For a pair of veths see `create_veth`.

        netns_fd: the namespace to make it in instead of this one: nothing of it ever stands here.
        lower: index, in this namespace, of the device it sits on, for the kinds that need one.
        data: attributes of the kind as pyroute2 names them, such as `("IFLA_MACVLAN_MODE", "bridge")`; else ValueError.
        A value that fits no message, such as a negative MTU, is InvalidConfig. The kernel ignores an alias here: set it next.
        Raises Conflict, whose subject is the name, if a link has it already; Unsupported if the kernel does not know the kind;
        else what the error number means (`secnet.linux.errors`).
        """
        attrs = given(
            IFLA_IFNAME=checked_ifname(name),
            IFLA_ADDRESS=mac,
            IFLA_MTU=mtu,
            IFLA_GROUP=group,
            IFLA_LINK=lower or None,
            IFLA_NET_NS_FD=netns_fd,
            IFLA_LINKINFO=_info(kind, data),
        )
        with nullcontext(self) if netns_fd is None else _inside(netns_fd) as place:
            try:
                # The kernel sends the echo to the socket with our port number in the link's namespace, which may be another
                # process's.
                echoed = self._try("link", "add", attrs=attrs, echo=netns_fd is None)
            except NetlinkError as fault:
                if fault.code == errno.EEXIST and place.link(name) is not None:
                    raise _taken(name, "" if place is self else "in the other namespace") from fault
                raise self._error(fault, f"creating the {kind} {name}", name) from fault
            return place._made(name, echoed)

    def _made(self, name: str, echoed: Sequence[bytes]) -> Link:
        """The link that was just created: as the kernel echoed it, or read back where it does not (kernels before 6.x)."""
        made = parse_link(echoed[0]) if echoed else self.link(name)
        if made is None:
            raise NotReady(f"the link {name} vanished right after it was made", hint="it is tried again", subject=name)
        return made

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
        peer = given(
            IFLA_IFNAME=checked_ifname(peer_name), IFLA_MTU=mtu, IFLA_NET_NS_FD=peer_netns_fd, IFLA_ADDRESS=peer_mac
        )
        info = _info("veth", [("VETH_INFO_PEER", {"attrs": peer})])
        attrs = given(IFLA_IFNAME=checked_ifname(host_name), IFLA_MTU=mtu, IFLA_GROUP=group, IFLA_LINKINFO=info)
        try:
            echoed = self._try("link", "add", attrs=attrs, echo=True)
        except NetlinkError as fault:
            if fault.code == errno.EEXIST:
                raise self._name_taken(host_name, peer_name) from fault
            raise self._error(fault, f"creating the veth pair {host_name} and {peer_name}", host_name) from fault
        return self._made(host_name, echoed)

    def _name_taken(self, host_name: str, peer_name: str) -> Conflict:
        on_host = self.link(host_name) is not None
        return _taken(host_name, "on the host") if on_host else _taken(peer_name, "in the Pod")

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
        if name is not None:
            checked_ifname(name)
        attrs = given(
            IFLA_IFALIAS=alias, IFLA_MTU=mtu, IFLA_ADDRESS=mac, IFLA_IFNAME=name, IFLA_GROUP=group, IFLA_MASTER=master
        )
        wanted = [f"{key.removeprefix('IFLA_').lower()} {value}" for key, value in attrs]
        if up is not None:
            wanted.append("state up" if up else "state down")
        self._change(index, f"setting {', '.join(wanted)} of", attrs=attrs, header=_change(index, up))

    def add_altname(self, index: int, name: str) -> None:
        """Give a link one more alternative name. Raises Conflict if a link, itself included, has the name already."""
        self._property(index, "add", f"adding the alternative name {name} to", name)

    def remove_altname(self, index: int, name: str) -> None:
        """Take an alternative name from a link."""
        self._property(index, "del", f"removing the alternative name {name} of", name)

    def _property(self, index: int, verb: str, doing: str, name: str) -> None:
        header: Header = {"index": index}
        self._change(index, doing, "", name, thing="linkprop", verb=verb, attrs=_altname(name), header=header)

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

        Raises Conflict, with nothing changed, if the name is taken there, or if an alternative name of the link is taken there
        or is the name itself: remove those first. Set first what else may be refused (R4): measured, a refused name or MTU
        leaves the link in the other namespace under its old name.
        """
        checked_ifname(name)
        moved = self.link_by_index(index)
        with _inside(netns_fd) as there:
            if there.link(name) is not None:
                raise _taken(name, "in the other namespace")
            for altname in moved.altnames if moved else ():
                if altname == name or there.link(altname) is not None:
                    raise _altname_in_the_way(moved.name if moved else "", altname, "" if altname == name else "there")
        attrs = given(IFLA_NET_NS_FD=netns_fd, IFLA_IFNAME=name, IFLA_ADDRESS=mac, IFLA_MTU=mtu)
        where = f" to another namespace as {name}"
        self._change(index, "moving", where, name, attrs=attrs, header=_change(index, up))

    def delete_link(self, index: int) -> None:
        """Remove a link, and with it its veth peer. A link that is gone is success."""
        try:
            self._try("link", "del", header={"index": index})
        except NetlinkError as fault:
            if fault.code not in (errno.ENODEV, errno.ENXIO):
                raise self._error(fault, f"removing {self.link_name(index)}") from fault

    def _change(
        self,
        index: int,
        doing: str,
        rest: str = "",
        subject: str = "",
        *,
        thing: str = "link",
        verb: str = "set",
        attrs: Attributes = (),
        header: Header = NO_FIELDS,
        tail: bytes = b"",
    ) -> None:
        """One request about a link; the link's name stands between `doing` and `rest` in the message of a refusal."""
        try:
            self._try(thing, verb, attrs=attrs, header=header, tail=tail)
        except NetlinkError as fault:
            raise self._error(fault, f"{doing} {self.link_name(index)}{rest}", subject) from fault


@contextmanager
def _inside(netns_fd: int) -> Iterator[LinkRequests]:
    there = LinkRequests(in_netns(netns_fd, open_socket))
    try:
        yield there
    finally:
        there.close()


def _info(kind: str, data: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The attribute that says which kind of link it is. Checked, as pyroute2 leaves out what it does not know, silently."""
    if data:
        known = {entry[-2] for entry in getattr(ifinfmsg.ifinfo.data_map.get(kind), "nla_map", ())}
        unknown = [name for name, _ in data if name not in known]
        if unknown:
            raise ValueError(f"links of kind {kind} have no attribute {', '.join(unknown)}")
    attrs: list[tuple[str, Any]] = [("IFLA_INFO_KIND", kind)]
    return {"attrs": [*attrs, ("IFLA_INFO_DATA", {"attrs": list(data)})] if data else attrs}


def _taken(name: str, where: str) -> Conflict:
    there = f"exists already {where}".rstrip()
    return Conflict(f"a link named {name} {there}", hint="remove it, or ask for another interface name", subject=name)


def _altname(name: str) -> list[tuple[str, Any]]:
    return [("IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", name)]})]


def _altname_in_the_way(link: str, altname: str, where: str) -> Conflict:
    what = "is taken in the other namespace" if where else "is the name that it is to have"
    return Conflict(
        f"the alternative name {altname} of the link {link} {what}",
        hint=f"remove it: ip link property del dev {link} altname {altname}",
        subject=altname,
    )


def _change(index: int, up: bool | None) -> dict[str, int]:
    """The fields of a message that changes a link and brings it up or down, or leaves its state as it is."""
    return {"index": index} if up is None else {"index": index, "flags": IFF_UP if up else 0, "change": IFF_UP}
