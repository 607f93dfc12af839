"""Links on a real kernel."""

from __future__ import annotations

import dataclasses
import errno
import gc
import os
from collections.abc import Callable
from typing import Any

import pytest
from secnet.contract import Conflict, Gone, InvalidConfig, MissingPrivilege, NotReady
from secnet.linux import rtnl, sysctl
from secnet.linux.connection import Connection, NetlinkError
from secnet.linux.names import ALIAS_MAX, LINK_GROUP
from secnet.linux.netns import in_netns
from secnet.linux.rtnl import host_rtnl, netns_rtnl, pod_rtnl, reading_together
from secnet_conformance.needs import requires_link_kind
from secnet_testing.netns import Namespace, NetnsFactory, run_in

from .conftest import HOST_END, POD_END, POD_MAC, Wire

pytestmark = pytest.mark.kernel


@pytest.mark.smoke
def test_one_message_makes_both_ends(wire: Wire) -> None:
    """Asked of iproute2, so that our reading is not proved by our reading."""
    host = run_in(None, ["ip", "-d", "-o", "link", "show", HOST_END])
    assert "mtu 1400" in host
    assert f"group {LINK_GROUP} " in host
    assert "state DOWN" in host
    pod = run_in(wire.pod_ns, ["ip", "-d", "-o", "link", "show", POD_END])
    assert f"link/ether {POD_MAC}" in pod
    assert "mtu 1400" in pod
    assert "state DOWN" in pod


def test_create_returns_the_host_end_and_the_peers_index(wire: Wire) -> None:
    assert wire.veth == wire.host.link(HOST_END)
    inner = wire.pod.link(POD_END)
    assert inner is not None
    assert inner.index == wire.veth.peer_index
    assert (inner.mac, inner.mtu, inner.kind, inner.up) == (POD_MAC, 1400, "veth", False)
    assert (wire.veth.group, wire.veth.kind, wire.veth.up, wire.veth.carrier) == (LINK_GROUP, "veth", False, False)
    assert (wire.veth.lower, inner.lower, inner.peer_index) == (0, 0, wire.veth.index)
    assert (wire.veth.min_mtu, wire.veth.max_mtu) == (68, 65535)


def test_without_the_echo_the_link_is_read_back(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Connection._try

    def silent(self: Connection, thing: str, verb: str, **fields: Any) -> tuple[bytes, ...]:
        answer = real(self, thing, verb, **fields)
        return () if verb == "add" else answer

    # A mock, because only a kernel older than the one under test leaves the echo out.
    monkeypatch.setattr(Connection, "_try", silent)
    made = wire.host.create_veth("snother", "eth2", wire.fd)
    assert made == wire.host.link("snother")
    assert made.peer_index


def test_without_a_mac_the_kernel_chooses_one(wire: Wire) -> None:
    made = wire.host.create_veth("snother", "eth2", wire.fd, mtu=1500)
    inner = wire.pod.link_by_index(made.peer_index)
    assert inner is not None
    assert inner.mac not in ("", "00:00:00:00:00:00", POD_MAC)


def test_a_taken_name_says_on_which_side(wire: Wire) -> None:
    with pytest.raises(Conflict, match=f"named {HOST_END} exists already on the host") as caught:
        wire.host.create_veth(HOST_END, "eth2", wire.fd)
    assert caught.value.subject == HOST_END
    with pytest.raises(Conflict, match=f"named {POD_END} exists already in the Pod") as caught:
        wire.host.create_veth("snother", POD_END, wire.fd)
    assert caught.value.subject == POD_END
    assert wire.host.link("snother") is None  # nothing was left behind


def test_a_link_that_is_not_there_is_none(wire: Wire) -> None:
    assert wire.host.link("none0") is None
    assert wire.host.link_by_index(9999) is None


def test_links_are_listed_and_chosen_by_group(wire: Wire) -> None:
    wire.host.set_link(1, group=7)
    assert {link.name for link in wire.host.links()} == {"lo", HOST_END}
    assert [link.name for link in wire.host.links(group=LINK_GROUP)] == [HOST_END]


def test_each_property_is_set(wire: Wire) -> None:
    alias = "a" * ALIAS_MAX
    wire.host.set_link(wire.veth.index, alias=alias, mtu=1300, mac="02:00:00:00:00:99", name="snnew", group=9)
    link = wire.host.link("snnew")
    assert link is not None
    assert (link.alias, link.mtu, link.mac, link.group, link.up) == (alias, 1300, "02:00:00:00:00:99", 9, False)
    wire.host.set_link(link.index, up=True, alias="")
    wire.pod.set_link(wire.inner, up=True)
    link = wire.host.link("snnew")
    assert link is not None
    assert (link.up, link.carrier, link.alias) == (True, True, "")
    wire.host.set_link(link.index, up=False)
    link = wire.host.link("snnew")
    assert link is not None
    assert (link.up, link.mtu) == (False, 1300)


def test_a_link_joins_and_leaves_a_bridge(wire: Wire) -> None:
    requires_link_kind("bridge")
    run_in(None, ["ip", "link", "add", "br0", "type", "bridge"])
    bridge = wire.host.link("br0")
    assert bridge is not None
    assert bridge.kind == "bridge"
    for master in (bridge.index, 0):
        wire.host.set_link(wire.veth.index, master=master)
        port = wire.host.link(HOST_END)
        assert port is not None
        assert port.master == master


def test_the_device_below_a_macvlan_is_no_peer(wire: Wire) -> None:
    requires_link_kind("macvlan")
    run_in(None, ["ip", "link", "add", "link", HOST_END, "name", "mv0", "type", "macvlan"])
    link = wire.host.link("mv0")
    assert link is not None
    assert (link.kind, link.lower, link.peer_index) == ("macvlan", wire.veth.index, 0)


def test_a_refused_value_is_explained_by_the_kernel(wire: Wire) -> None:
    with pytest.raises(InvalidConfig, match=f"mtu 99999 of {HOST_END}: mtu greater than device"):
        wire.host.set_link(wire.veth.index, mtu=99999)
    with pytest.raises(InvalidConfig, match="cannot be the name of an interface"):
        wire.host.create_veth("a-name-that-is-too-long", "eth2", wire.fd)
    with pytest.raises(NotReady, match=r"state up of a link that is gone .*No such device"):
        wire.host.set_link(9999, up=True)


def test_a_link_moves_under_a_new_name_and_comes_back(wire: Wire) -> None:
    run_in(None, ["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"])
    link = wire.host.link("va")
    assert link is not None
    wire.host.move_link(link.index, wire.fd, "net1", mac="02:00:00:00:00:77", mtu=1200, up=True)
    assert wire.host.link("va") is None
    moved = wire.pod.link("net1")
    assert moved is not None
    assert (moved.mac, moved.mtu, moved.up) == ("02:00:00:00:00:77", 1200, True)
    with wire.node.open() as home:
        wire.pod.move_link(moved.index, home, "va", up=False)
    back = wire.host.link("va")
    assert back is not None
    assert (back.mac, back.up) == ("02:00:00:00:00:77", False)


def test_a_move_onto_a_taken_name_is_a_conflict(wire: Wire) -> None:
    run_in(None, ["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"])
    link = wire.host.link("va")
    assert link is not None
    with pytest.raises(Conflict) as caught:
        wire.host.move_link(link.index, wire.fd, POD_END)
    assert caught.value.subject == POD_END
    assert wire.host.link("va") == link


def test_alternative_names_are_read_added_and_removed(wire: Wire) -> None:
    for name in ("first", "a-name-of-more-than-fifteen-characters"):
        wire.host.add_altname(wire.veth.index, name)
    link = wire.host.link("first")
    assert link is not None
    assert (link.name, link.altnames) == (HOST_END, ("first", "a-name-of-more-than-fifteen-characters"))
    wire.host.remove_altname(link.index, "first")
    assert wire.host.link("first") is None
    with pytest.raises(Conflict, match=f"adding the alternative name {HOST_END} to the link {HOST_END}"):
        wire.host.add_altname(link.index, HOST_END)


@pytest.mark.parametrize(("altname", "says"), [("net1", "is the name that it is to have"), (POD_END, "is taken")])
def test_a_move_of_a_link_with_an_altname_in_the_way_names_both(wire: Wire, altname: str, says: str) -> None:
    run_in(None, ["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"])
    run_in(None, ["ip", "link", "property", "add", "dev", "va", "altname", altname])
    link = wire.host.link("va")
    assert link is not None
    with pytest.raises(Conflict, match=f"the alternative name {altname} of the link va {says}") as caught:
        wire.host.move_link(link.index, wire.fd, "net1")
    assert "altname" in caught.value.hint
    assert wire.host.link("va") == link, "nothing is changed"


def test_deleting_takes_both_ends_and_may_be_repeated(wire: Wire) -> None:
    wire.host.delete_link(wire.veth.index)
    assert wire.host.link(HOST_END) is None
    assert wire.pod.link(POD_END) is None
    wire.host.delete_link(wire.veth.index)


def test_deleting_what_cannot_be_deleted_is_an_error(wire: Wire) -> None:
    with pytest.raises(Exception, match=r"removing lo: .*ENOTSUP"):
        wire.host.delete_link(1)


def test_a_handle_leaves_no_descriptor_and_keeps_no_namespace(
    netns_factory: NetnsFactory, node_netns: Namespace
) -> None:
    ns = netns_factory()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with ns.open() as fd, netns_rtnl(fd) as pod, host_rtnl() as host:
            assert pod.link("lo") is not None
            assert host.link("lo") is not None
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_handle_is_closed_when_the_work_fails(node_netns: Namespace) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotReady), host_rtnl() as host:
        host.set_link(9999, up=True)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_missing_capability_is_named(wire: Wire) -> None:
    with pytest.raises(MissingPrivilege) as caught:
        raise wire.host._error(NetlinkError(errno.EPERM, "Operation not permitted"), "creating the link sn0")
    assert "CAP_NET_ADMIN" in caught.value.hint


def test_a_pods_handle_is_in_the_pods_namespace(wire: Wire) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pod_rtnl(wire.pod_ns.ref) as (fd, pod):
        assert os.fstat(fd).st_ino == wire.pod_ns.ref.inode
        assert pod.netns_cookie() == wire.pod_ns.ref.cookie != wire.host.netns_cookie()
        assert pod.link(POD_END) == wire.pod.link(POD_END)
        assert pod.link(HOST_END) is None
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_comes_first_runs_inside_and_only_in_the_right_namespace(wire: Wire) -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(os.readlink("/proc/thread-self/ns/net"))

    ref = wire.pod_ns.ref
    with pod_rtnl(ref, look):
        assert seen == [f"net:[{ref.inode}]"]
    with pytest.raises(Gone), pod_rtnl(dataclasses.replace(ref, cookie=ref.cookie + 1), look):
        pass
    assert len(seen) == 1
    with pytest.raises(NotReady, match="no such sysctl"), pod_rtnl(ref, lambda: sysctl.write("ipv4/conf/no/x", "1")):
        pass


def test_looks_taken_together_enter_each_namespace_once(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []

    def counted(fd: int, fn: Callable[[], Any]) -> Any:
        entered.append(os.fstat(fd).st_ino)
        return in_netns(fd, fn)

    monkeypatch.setattr(rtnl, "in_netns", counted)
    before, ref, host = set(os.listdir("/proc/self/fd")), wire.pod_ns.ref, wire.node.ref
    with reading_together():
        with pod_rtnl(ref) as (_, pod):
            assert pod.link(POD_END) is not None
        with pod_rtnl(ref) as (fd, pod):
            assert (os.fstat(fd).st_ino, pod.netns_cookie()) == (ref.inode, ref.cookie)
            assert pod.link(POD_END) is not None
        with pod_rtnl(host) as (_, other):
            assert other.link(HOST_END) is not None
        with reading_together(), pod_rtnl(ref):
            pass
        with pod_rtnl(ref, lambda: None):
            pass
        assert entered == [ref.inode, host.inode, ref.inode, ref.inode]
        with pytest.raises(Gone), pod_rtnl(dataclasses.replace(ref, cookie=ref.cookie + 1)):
            pass
    with pod_rtnl(ref):
        pass
    assert entered.count(ref.inode) == 5
    assert set(os.listdir("/proc/self/fd")) == before


def test_looks_taken_together_see_what_changed_between_them(wire: Wire) -> None:
    with reading_together():
        for mtu in (1400, 1300):
            with pod_rtnl(wire.pod_ns.ref) as (_, pod):
                link = pod.link(POD_END)
                assert link is not None
                pod.set_link(link.index, mtu=mtu)
            with pod_rtnl(wire.pod_ns.ref) as (_, pod):
                found = pod.link(POD_END)
            assert found is not None
            assert found.mtu == mtu
