"""Reading the kernel's answers: recorded ones, and what no healthy kernel sends."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest
from secnet.contract import Unavailable
from secnet.linux.addresses import Address, parse_address
from secnet.linux.link import Link, parse_link
from secnet.linux.replies import address, attributes, messages, number, refusal, text
from secnet.linux.routes import KernelRoute, parse_route

from . import recorded


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", len(payload) + 4, kind) + payload + b"\0" * (-len(payload) % 4)


def test_a_link() -> None:
    assert parse_link(recorded.LINK) == Link(
        index=4,
        name="sn0",
        mac=recorded.LINK_MAC,
        mtu=1400,
        up=True,
        carrier=True,
        running=True,
        kind="veth",
        group=1516,
        alias="secnet:abc/eth1",
        master=2,
        lower=0,
        peer_index=3,
        min_mtu=68,
        max_mtu=65535,
        permanent_mac="",
        parent_bus="",
        parent_device="",
        flags=0x11043,
    )


def test_a_device_under_a_link() -> None:
    # Made up, because the machine that recorded the rest has no physical device.
    body = struct.pack("=BxHiII", 0, 1, 7, 0x1002, 0)
    body += attribute(3, b"ens1\0") + attribute(54, bytes.fromhex("0c42a1000001"))
    body += attribute(56, b"0000:3b:00.1\0") + attribute(57, b"pci\0") + attribute(5, struct.pack("=I", 3))
    link = parse_link(body)
    assert (link.permanent_mac, link.parent_bus, link.parent_device) == ("0c:42:a1:00:00:01", "pci", "0000:3b:00.1")
    assert (link.lower, link.peer_index, link.kind, link.up, link.mtu) == (3, 0, "", False, 0)


def test_addresses() -> None:
    common: dict[str, Any] = {"index": 3, "scope": 0, "tentative": False, "dad_failed": False, "permanent": True}
    assert parse_address(recorded.ADDRESS_4) == Address(cidr="10.9.0.1/32", **common)  # its own, not the peer's
    assert parse_address(recorded.ADDRESS_6) == Address(cidr="fd00::5/64", **common)


def test_flags_of_an_address_without_the_long_attribute() -> None:
    body = struct.pack("=BBBBI", 10, 64, 0x48, 0, 3) + attribute(1, bytes.fromhex("fd00" + "00" * 13 + "05"))
    found = parse_address(body)
    assert (found.tentative, found.dad_failed, found.permanent) == (True, True, False)


def test_a_route_by_way_of_the_other_family() -> None:
    assert parse_route(recorded.ROUTE_VIA) == KernelRoute(
        family=4, dst="10.5.0.0/16", index=3, gw="fe80::1", mtu=1300, advmss=1200, onlink=True, protocol=3
    )


def test_a_route_with_several_next_hops() -> None:
    route = parse_route(recorded.ROUTE_MULTIPATH)
    assert route is not None
    assert (route.multipath, route.index, route.gw, route.table) == (True, 0, None, 1000)
    assert (route.priority, route.source) == (7, "10.1.2.3")


def test_a_default_route_has_no_destination() -> None:
    assert parse_route(recorded.ROUTE_DEFAULT_6) == KernelRoute(
        family=6, dst="::/0", index=3, gw="fd00::1", priority=1024, protocol=3
    )


def test_a_local_route_is_none() -> None:
    assert parse_route(recorded.ROUTE_LOCAL) is None


def test_a_refusal_has_the_kernels_words() -> None:
    ((kind, flags, sequence, body),) = messages(recorded.REFUSED)
    assert (kind, sequence) == (2, 7)
    assert refusal(flags, body) == (errno.EINVAL, "mtu less than device minimum")


def test_a_success_is_no_refusal() -> None:
    ((kind, flags, sequence, body),) = messages(recorded.ACKNOWLEDGED)
    assert (kind, sequence) == (2, 8)
    assert refusal(flags, body) == (0, "")


def test_a_refusal_that_repeats_no_request() -> None:
    request = struct.pack("=IHHII", 200, 16, 5, 7, 0)  # capped: its 200 bytes are not there
    words = attribute(1, b"no\0")
    assert refusal(0x300, struct.pack("=i", -errno.EPERM) + request + words) == (errno.EPERM, "no")
    assert refusal(0x200, struct.pack("=i", -errno.EPERM) + words, done=True) == (errno.EPERM, "no")
    assert refusal(0x2, b"", done=True) == (0, "")


def test_several_messages_in_one_datagram() -> None:
    odd = struct.pack("=IHHII", 17, 16, 0, 1, 0) + b"x" + b"\0\0\0"  # padded to four bytes
    both = [(kind, len(body)) for kind, _, _, body in messages(odd + recorded.ACKNOWLEDGED)]
    assert both == [(16, 1), (2, len(recorded.ACKNOWLEDGED) - 16)]
    assert list(messages(b"")) == []


@pytest.mark.parametrize("parse", [parse_link, parse_address, parse_route])
@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_body_without_its_header_is_refused(parse: object, size: int) -> None:
    assert callable(parse)
    with pytest.raises(Unavailable, match="cut off"):
        parse(bytes(size))


@pytest.mark.parametrize("size", [1, 15, 20, len(recorded.REFUSED) - 1])
def test_a_datagram_that_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(Unavailable, match="reading the kernel's answer"):
        list(messages(recorded.REFUSED[:size]))


def test_every_cut_of_a_link_is_refused_or_is_the_link_so_far() -> None:
    """Never another exception, never a wrong value: an attribute is read whole or not at all."""
    whole = parse_link(recorded.LINK)
    for size in range(len(recorded.LINK)):
        try:
            part = parse_link(recorded.LINK[:size])
        except Unavailable:
            continue
        for name in ("index", "name", "mac", "mtu", "kind", "group", "alias", "master"):
            assert getattr(part, name) in (getattr(whole, name), "", 0)


@pytest.mark.parametrize("size", [0, 3, 9])
def test_an_attribute_with_an_impossible_length_is_refused(size: int) -> None:
    with pytest.raises(Unavailable, match=f"an attribute of {size} bytes"):
        attributes(struct.pack("=HHI", size, 1, 0), 0, {1})


def test_the_upper_bits_of_an_attributes_type_are_not_its_number() -> None:
    assert attributes(attribute(0x8000 | 18, b"abcd"), 0, {18}) == {18: b"abcd"}


def test_values() -> None:
    assert (number(None), number(b"\x05\0\0\0"), number(b"\x07")) == (0, 5, 7)
    assert (text(None), text(b"eth1\0"), text(b"eth1"), text(b"a\xff\0")) == ("", "eth1", "eth1", "a\\xff")
    assert (address(None), address(b"\x0a\0\0\1")) == (None, "10.0.0.1")
    with pytest.raises(Unavailable, match="an address has 5 bytes"):
        address(b"12345")
