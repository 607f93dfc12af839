"""Announcements, as the other end of the link sees them."""

from __future__ import annotations

import ipaddress
import os
import time

import pytest
from secnet.contract import InvalidConfig, NotReady
from secnet.linux import sysctl
from secnet.linux.announce import announce, gratuitous_arp, unsolicited_advertisement
from secnet_testing.frames import Frame
from secnet_testing.netns import frames, run_in

from .conftest import HOST_END, POD_END, POD_MAC, Wire

pytestmark = pytest.mark.kernel


def test_both_families_reach_the_other_end(wire: Wire) -> None:
    wire.up()
    with frames(None, HOST_END) as capture:
        announce(wire.fd, POD_END, POD_MAC, ["10.1.0.5/24", "fd00::5"], sleep=lambda _: None, times=1)
        arp = capture.wait_for(lambda frame: frame.is_gratuitous_arp)
        advertisement = capture.wait_for(lambda frame: frame.advertised == "fd00::5")
    assert (arp.src, arp.dst, arp.arp) == (POD_MAC, "ff:ff:ff:ff:ff:ff", (1, "10.1.0.5", "10.1.0.5"))
    assert (advertisement.src, advertisement.dst) == (POD_MAC, "33:33:00:00:00:01")


def test_a_neighbour_learns_the_new_mac(wire: Wire) -> None:
    """The purpose of it: stale entries of the neighbours change, which also proves the checksum to be right."""
    wire.up()
    for argv in (["10.1.0.1/24"], ["fd00::1/64", "nodad"]):
        run_in(None, ["ip", "address", "add", *argv, "dev", HOST_END])
    for address in ("10.1.0.5", "fd00::5"):
        run_in(None, ["ip", "neigh", "add", address, "lladdr", "02:00:00:00:de:ad", "nud", "stale", "dev", HOST_END])
    announce(wire.fd, POD_END, POD_MAC, ["10.1.0.5", "fd00::5"], sleep=lambda _: None, times=1)
    wanted = {f"10.1.0.5 lladdr {POD_MAC}", f"fd00::5 lladdr {POD_MAC}"}
    deadline = time.monotonic() + 5
    neighbours = ""
    while not all(line in neighbours for line in wanted):
        assert time.monotonic() < deadline, neighbours
        neighbours = run_in(None, ["ip", "neigh", "show", "dev", HOST_END])


def test_it_is_repeated_with_the_callers_sleep(wire: Wire) -> None:
    wire.up()
    naps: list[float] = []
    with frames(None, HOST_END) as capture:
        announce(wire.fd, POD_END, POD_MAC, ["10.1.0.5"], sleep=naps.append, times=3, interval=0.7)
        announce(wire.fd, POD_END, POD_MAC, ["10.1.0.99"], sleep=naps.append, times=1)
        passed = capture.until(lambda frame: frame.arp == (1, "10.1.0.99", "10.1.0.99"))
    assert naps == [0.7, 0.7]
    assert sum(frame.arp == (1, "10.1.0.5", "10.1.0.5") for frame in passed) == 3


def test_the_kernel_announces_by_itself_when_addresses_precede_up(wire: Wire) -> None:
    """The order of work that the core's layer-3 step relies on (docs/architecture.md)."""
    wire.host.set_link(wire.veth.index, up=True)
    sysctl.write_all_in(wire.fd, {f"ipv4/conf/{POD_END}/arp_notify": "1", f"ipv6/conf/{POD_END}/ndisc_notify": "1"})
    with frames(None, HOST_END) as capture:
        wire.pod.add_address(wire.inner, "10.1.0.5/24")
        wire.pod.add_address(wire.inner, "fd00::5/64")
        wire.pod.set_link(wire.inner, up=True)
        assert capture.wait_for(lambda frame: frame.is_gratuitous_arp).arp == (1, "10.1.0.5", "10.1.0.5")
        assert capture.wait_for(lambda frame: frame.advertised == "fd00::5").src == POD_MAC


def test_nothing_to_announce_opens_nothing(wire: Wire) -> None:
    before = len(os.listdir("/proc/self/fd"))
    announce(wire.fd, "none0", POD_MAC, [], sleep=lambda _: None)
    announce_failed(wire, NotReady, "none0", "10.1.0.5")
    assert len(os.listdir("/proc/self/fd")) == before


def announce_failed(wire: Wire, kind: type[Exception], ifname: str, address: str, mac: str = POD_MAC) -> None:
    with pytest.raises(kind, match=r"announcing addresses|is not an? (MAC )?address"):
        announce(wire.fd, ifname, mac, [address], sleep=lambda _: None)


def test_a_link_that_is_down_is_not_ready(wire: Wire) -> None:
    announce_failed(wire, NotReady, POD_END, "10.1.0.5")


def test_what_is_no_address_is_refused(wire: Wire) -> None:
    announce_failed(wire, InvalidConfig, POD_END, "web")
    announce_failed(wire, InvalidConfig, POD_END, "10.1.0.5", mac="02:00:00:00:00")
    announce_failed(wire, InvalidConfig, POD_END, "10.1.0.5", mac="no")


def test_the_frames_byte_by_byte() -> None:
    """Fixed by RFC 826 and RFC 4861; the advertisement's checksum is verified by summing it to zero."""
    arp = gratuitous_arp(POD_MAC, ipaddress.IPv4Address("10.1.0.5"))
    sender = "020000000005"
    assert arp.hex() == f"ffffffffffff{sender}0806" + f"0001080006040001{sender}0a010005000000000000" + "0a010005"
    frame = unsolicited_advertisement(POD_MAC, ipaddress.IPv6Address("fd00::5"))
    source, all_nodes = "fd00" + "0" * 27 + "5", "ff02" + "0" * 27 + "1"
    assert frame[:54].hex() == f"333300000001{sender}86dd" + "6000000000203aff" + source + all_nodes
    assert frame[54:56].hex() == "8800"
    assert frame[58:].hex() == "20000000" + source + "0201" + sender
    summed = frame[22:54] + bytes.fromhex("000000200000003a") + frame[54:]
    total = sum(int.from_bytes(summed[at : at + 2]) for at in range(0, len(summed), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    sent = Frame(dst="", src="", vlan=None, priority=None, ethertype=0x86DD, payload=frame[14:], outgoing=False)
    assert sent.advertised == "fd00::5"
