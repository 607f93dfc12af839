"""The fixtures and helpers that the kernel tests of all members stand on."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from secnet_conformance.needs import requires_command, requires_link_kind, requires_root
from secnet_testing.netns import NetnsFactory, frames, ping, run_in

from .conftest import HOST_END, POD_END, Wire

pytestmark = pytest.mark.kernel


def own_netns() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def test_the_test_its_threads_and_its_programs_live_in_the_node(
    node_netns: object, netns_factory: NetnsFactory
) -> None:
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(own_netns()))
    thread.start()
    thread.join()
    seen.append(run_in(None, ["readlink", "/proc/self/ns/net"]).strip())
    assert seen == [own_netns(), own_netns()]
    assert netns_factory().ref.inode != os.stat("/proc/self/ns/net").st_ino


CLEANED = """
import os
import pytest

NAMES = []
HOME = os.readlink("/proc/self/ns/net")

def test_fails_inside(node_netns, netns_factory):
    NAMES.extend([node_netns.name, netns_factory().name])
    assert os.readlink("/proc/self/ns/net") != HOME
    raise RuntimeError("the test fails")

def test_all_is_as_before():
    assert os.readlink("/proc/self/ns/net") == HOME
    assert len(NAMES) == 2
    assert not set(NAMES) & set(os.listdir("/run/netns"))

def test_removed_by_the_test_itself(netns_factory):
    os.system(f"ip netns del {netns_factory().name}")
"""


def test_a_failing_test_leaves_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CLEANED)
    pytester.runpytest_inprocess("-p", "secnet_testing.netns", "-p", "no:cacheprovider").assert_outcomes(
        failed=1, passed=2
    )


def test_a_failing_program_is_an_error_with_its_words(wire: Wire) -> None:
    with pytest.raises(AssertionError, match="does not exist"):
        run_in(wire.pod_ns, ["ip", "link", "show", "dev", "none0"])
    assert run_in(wire.pod_ns, ["ip", "link", "show", "dev", "none0"], check=False) == ""


def test_ping_tells_an_answer_from_silence_and_from_a_mistake(wire: Wire) -> None:
    wire.up()
    run_in(None, ["ip", "address", "add", "10.1.0.1/24", "dev", HOST_END])
    with pytest.raises(AssertionError, match="nreachable"):
        ping(wire.pod_ns, "10.1.0.1")  # no address yet: the request cannot be sent
    wire.pod.add_address(wire.inner, "10.1.0.5/24")
    assert ping(wire.pod_ns, "10.1.0.1")
    assert ping(None, "10.1.0.5", source="10.1.0.1")
    assert not ping(wire.pod_ns, "10.1.0.77", within=1)


def send(wire: Wire, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.sendto(frame, (HOST_END, int.from_bytes(frame[12:14])))


@pytest.mark.parametrize(
    ("tag", "vlan"), [("", None), ("8100" + "6064", 100), ("8100" + "0000", 0), ("88a8" + "0fff", 4095)]
)
def test_a_capture_shows_the_vlan_of_a_frame(wire: Wire, tag: str, vlan: int | None) -> None:
    wire.up()
    with frames(wire.pod_ns, POD_END) as capture:
        send(wire, bytes.fromhex("ffffffffffff" + "020000000001" + tag + "88b5") + b"hello".ljust(46, b"\0"))
        frame = capture.wait_for(lambda frame: frame.ethertype == 0x88B5)
    assert (frame.vlan, frame.src, frame.dst) == (vlan, "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff")
    assert frame.payload.startswith(b"hello")
    assert not frame.outgoing


def test_a_capture_without_the_frame_says_what_it_saw(wire: Wire) -> None:
    wire.up()
    with frames(None, HOST_END) as capture:
        send(wire, bytes.fromhex("ffffffffffff02000000000188b5") + b"hello".ljust(46, b"\0"))
        assert capture.wait_for(lambda frame: frame.ethertype == 0x88B5).outgoing
        start = time.monotonic()
        with pytest.raises(AssertionError, match=f"no such frame on {HOST_END}(.|\n)*out 02:00:00:00:00:01"):
            capture.wait_for(lambda frame: frame.ethertype == 0x9999, within=0.2)
        assert time.monotonic() - start >= 0.2


def test_what_is_missing_is_named() -> None:
    requires_root()
    requires_command("sh")
    requires_link_kind("veth")
    with pytest.raises(pytest.skip.Exception, match="needs the command secnet-none"):
        requires_command("sh", "secnet-none")
    with pytest.raises(pytest.skip.Exception, match="needs the link kind nonesuch"):
        requires_link_kind("veth", "nonesuch")
