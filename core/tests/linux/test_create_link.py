"""Links of any kind, made by one message, here and in another namespace."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.contract import Conflict, InvalidConfig, NotReady, Unsupported
from secnet.linux.names import LINK_GROUP
from secnet.linux.rtnl import host_rtnl, netns_rtnl
from secnet_conformance.needs import requires_link_kind
from secnet_testing.netns import Namespace, NetnsFactory, run_in

from .conftest import HOST_END, POD_END, Wire

pytestmark = pytest.mark.kernel

MAC = "02:00:00:00:00:21"
IFLA_MACVLAN_MODE = 1
BRIDGE, PRIVATE = 4, 1


def test_a_link_is_made_here_and_returned(wire: Wire) -> None:
    requires_link_kind("bridge")
    made = wire.host.create_link("snbr", "bridge", mac=MAC, mtu=1300)
    assert made == wire.host.link("snbr")
    assert (made.kind, made.mac, made.mtu, made.group, made.up) == ("bridge", MAC, 1300, LINK_GROUP, False)
    assert "mtu 1300" in run_in(None, ["ip", "-d", "-o", "link", "show", "snbr"])


def test_one_message_makes_a_finished_link_in_another_namespace(wire: Wire) -> None:
    """Asked of iproute2 as well, so that our reading is not proved by our reading."""
    requires_link_kind("macvlan")
    before = {link.name for link in wire.host.links()}
    made = wire.host.create_link(
        "net1",
        "macvlan",
        netns_fd=wire.fd,
        lower=wire.veth.index,
        mac=MAC,
        mtu=1350,
        data=[("IFLA_MACVLAN_MODE", "private")],
    )
    assert made == wire.pod.link("net1")
    assert (made.kind, made.mac, made.mtu, made.group, made.up) == ("macvlan", MAC, 1350, LINK_GROUP, False)
    assert (made.lower, made.kind_number(IFLA_MACVLAN_MODE)) == (wire.veth.index, PRIVATE)
    assert {link.name for link in wire.host.links()} == before
    shown = run_in(wire.pod_ns, ["ip", "-d", "-o", "link", "show", "net1"])
    assert f"link/ether {MAC}" in shown
    assert "macvlan mode private" in shown
    assert f"group {LINK_GROUP} " in shown
    assert "state DOWN" in shown


def test_the_lower_link_is_reported_even_if_both_have_the_same_index(
    node_netns: Namespace, netns_factory: NetnsFactory
) -> None:
    """The kernel leaves IFLA_LINK out where it equals the link's own index, except across namespaces."""
    requires_link_kind("macvlan")
    pod_ns = netns_factory()
    with pod_ns.open() as fd, host_rtnl() as host, netns_rtnl(fd) as pod:
        lower = host.create_link("snbr", "bridge")
        made = host.create_link("net1", "macvlan", netns_fd=fd, lower=lower.index)
        assert made.index == lower.index
        assert (made.lower, made.lower_elsewhere, pod.link("net1")) == (lower.index, True, made)


def test_a_creation_does_not_answer_a_handle_in_the_other_namespace(
    node_netns: Namespace, netns_factory: NetnsFactory
) -> None:
    """An echo would go to the socket that has our number in that namespace, as if it answered a question of that one.

    The kernel numbers a process's first socket in each namespace alike, so the handles must be the first ones.
    """
    requires_link_kind("bridge")
    with netns_factory().open() as fd, netns_rtnl(fd) as pod, host_rtnl() as host:
        for handle in (pod, host):  # now each has its number, and has counted one question
            handle.link("lo")
        host.create_link("net1", "bridge", netns_fd=fd)
        found = pod.link("lo")
        assert found is not None
        assert found.name == "lo"


@pytest.mark.parametrize(("word", "number"), [("private", 1), ("vepa", 2), ("bridge", 4), ("passthru", 8)])
def test_the_data_of_the_kind_reaches_the_kernel(wire: Wire, word: str, number: int) -> None:
    requires_link_kind("macvlan")
    made = wire.host.create_link("mv0", "macvlan", lower=wire.veth.index, data=[("IFLA_MACVLAN_MODE", word)])
    assert (made.kind_number(IFLA_MACVLAN_MODE), made.lower) == (number, wire.veth.index)
    assert not made.lower_elsewhere
    assert f"macvlan mode {word}" in run_in(None, ["ip", "-d", "-o", "link", "show", "mv0"])


def test_an_attribute_that_would_be_left_out_is_an_error(wire: Wire) -> None:
    for kind in ("macvlan", "a-kind-of-tomorrow"):
        with pytest.raises(ValueError, match="no attribute IFLA_MACVLAN_NODE"):
            wire.host.create_link("mv0", kind, lower=wire.veth.index, data=[("IFLA_MACVLAN_NODE", "bridge")])
    assert wire.host.link("mv0") is None


def test_a_link_without_data_of_its_kind_has_no_numbers(wire: Wire) -> None:
    assert wire.veth.kind_number(IFLA_MACVLAN_MODE) is None
    loopback = wire.host.link("lo")
    assert loopback is not None
    assert loopback.kind_number(IFLA_MACVLAN_MODE) is None


def test_a_taken_name_is_a_conflict_on_either_side(wire: Wire) -> None:
    requires_link_kind("bridge")
    with pytest.raises(Conflict, match=f"named {HOST_END} exists already;") as caught:
        wire.host.create_link(HOST_END, "bridge")
    assert caught.value.subject == HOST_END
    with pytest.raises(Conflict, match=f"named {POD_END} exists already in the other namespace") as caught:
        wire.host.create_link(POD_END, "bridge", netns_fd=wire.fd)
    assert caught.value.subject == POD_END
    assert wire.host.link(POD_END) is None


def test_a_name_that_is_taken_only_here_is_free_there(wire: Wire) -> None:
    requires_link_kind("bridge")
    made = wire.host.create_link(HOST_END, "bridge", netns_fd=wire.fd)
    assert wire.pod.link(HOST_END) == made
    assert wire.host.link(HOST_END) == wire.veth


def test_what_the_kernel_refuses_leaves_nothing(wire: Wire) -> None:
    requires_link_kind("macvlan")
    before = (wire.host.links(), wire.pod.links())
    with pytest.raises(Unsupported, match="creating the nosuchkind x0: Unknown device type"):
        wire.host.create_link("x0", "nosuchkind", netns_fd=wire.fd)
    with pytest.raises(NotReady, match=r"creating the macvlan x0: .*ENODEV"):
        wire.host.create_link("x0", "macvlan", netns_fd=wire.fd, lower=9999)
    with pytest.raises(InvalidConfig, match=r"creating the macvlan x0: .*EINVAL") as caught:
        wire.host.create_link("x0", "macvlan", netns_fd=wire.fd, lower=1)  # loopback carries none
    assert caught.value.subject == "x0"
    assert (wire.host.links(), wire.pod.links()) == before


NO_NAMES = ("", ".", "..", "rv2%d", "a/b", "a:b", "a b", "a\n", "a\0b", "x" * 16, "\u00e4" * 8, "\ud800")


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_can_be_no_name_is_refused_before_anything_is_made(wire: Wire, name: str) -> None:
    """The kernel would make `rv20` of `rv2%d`, and no one would find it again."""
    requires_link_kind("bridge")
    before = (wire.host.links(), wire.pod.links())
    for make in (
        lambda: wire.host.create_link(name, "bridge"),
        lambda: wire.host.create_link(name, "bridge", netns_fd=wire.fd),
        lambda: wire.host.create_veth(name, "rv1", wire.fd),
        lambda: wire.host.create_veth("rv1", name, wire.fd),
        lambda: wire.host.set_link(wire.veth.index, name=name),
        lambda: wire.host.move_link(wire.veth.index, wire.fd, name),
    ):
        with pytest.raises(InvalidConfig, match="cannot be the name of an interface") as caught:
            make()
        assert caught.value.subject == name
    assert (wire.host.links(), wire.pod.links()) == before


@pytest.mark.parametrize("name", ["x" * 15, "\u00e4" * 7, "a.b-c_d@e", "..."])
def test_an_odd_name_that_the_kernel_takes_is_taken(wire: Wire, name: str) -> None:
    requires_link_kind("bridge")
    assert wire.host.create_link(name, "bridge").name == name


@pytest.mark.parametrize("values", [{"mtu": -1}, {"mtu": 2**32}, {"mac": "zz"}, {"mac": "02:00"}, {"group": -1}])
def test_a_value_that_fits_no_message_is_an_invalid_config(wire: Wire, values: dict[str, Any]) -> None:
    requires_link_kind("bridge")
    before = (wire.host.links(), wire.pod.links())
    for make in (
        lambda: wire.host.create_link("x0", "bridge", **values),
        lambda: wire.host.set_link(wire.veth.index, **values),
    ):
        with pytest.raises(InvalidConfig, match="a value fits no message"):
            make()
    assert (wire.host.links(), wire.pod.links()) == before


@pytest.mark.parametrize("mode", ["odd", -1])
def test_a_wrong_value_among_the_data_of_the_kind_is_an_invalid_config(wire: Wire, mode: object) -> None:
    with pytest.raises(InvalidConfig, match="creating the macvlan mv0: a value fits no message"):
        wire.host.create_link("mv0", "macvlan", lower=wire.veth.index, data=[("IFLA_MACVLAN_MODE", mode)])
    assert wire.host.link("mv0") is None
