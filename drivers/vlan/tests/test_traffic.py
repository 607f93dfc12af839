"""Who talks and who does not, on the wire."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from secnet.linux.netns import in_netns
from secnet_testing.frames import Capture, Frame
from secnet_testing.netns import Namespace, frames, ping, run_in

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.ovs

MARKER = 0x88B5  # an EtherType for local experiments (IEEE 802)
TAGGED = 0x8100
BROADCAST = b"\xff" * 6
_TRIES = 40


def send(pod: Namespace, text: bytes, vlan: int | None = None) -> None:
    """Send a broadcast frame with `text` from a Pod, with or without a VLAN tag of its own."""

    def run() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("eth1", 0))
            source = sock.getsockname()[4]
            tag = b"" if vlan is None else struct.pack("!HH", TAGGED, vlan)
            sock.send(BROADCAST + source + tag + struct.pack("!H", MARKER) + text.ljust(64, b"\0"))

    with pod.open() as fd:
        in_netns(fd, run)


def deliver(pod: Namespace, text: bytes, capture: Capture, vlan: int | None = None) -> Frame:
    """Send until the capture has it, and return it.

    A link that has just come up, and a switch that is setting up ports, drop frames for a while: one frame alone proves nothing.
    """
    for _ in range(_TRIES):
        send(pod, text, vlan)
        try:
            return capture.wait_for(says(text), within=0.25)
        except AssertionError:
            continue
    raise AssertionError(f"{text!r} never arrived on {capture.ifname}; seen: {[str(frame) for frame in capture.seen]}")


def says(text: bytes):  # type: ignore[no-untyped-def]
    def match(frame: Frame) -> bool:
        return frame.ethertype == MARKER and frame.payload.startswith(text + b"\0") and not frame.outgoing

    return match


def test_vlans_do_not_talk_and_the_same_pods_do_once_retagged(
    lab: Lab, until: Callable[[Callable[[], object], str], None]
) -> None:
    driver = lab.ready_driver()
    one, _, _ = lab.talker(driver, 100)
    _, address, attachment = lab.talker(driver, 100)
    port = attachment.names["host"]
    assert ping(one, address)
    lab.switch.vsctl("set", "port", port, "tag=200")
    # The switch lets a frame pass by the flow it remembers until it has looked through its flows again (measured: one).
    until(lambda: not ping(one, address, within=0.1), "silence after the other VLAN")
    assert not ping(one, address, within=1)
    lab.switch.vsctl("set", "port", port, "tag=100")
    assert ping(one, address)


def test_two_vlans_do_not_talk_and_untagged_pods_do(lab: Lab) -> None:
    driver = lab.ready_driver()
    plain, _, _ = lab.talker(driver, 0)
    _, other_plain, _ = lab.talker(driver, 0)
    _, tagged, _ = lab.talker(driver, 100)
    assert ping(plain, other_plain)
    assert not ping(plain, tagged, within=1)


def test_an_untagged_pod_gets_no_frame_of_a_vlan(lab: Lab) -> None:
    """Positive control: the same Pod gets the same frame once its port is a trunk, as a port without tag is."""
    driver = lab.ready_driver()
    plain, _, attachment = lab.talker(driver, 0)
    other_plain, _, _ = lab.talker(driver, 0)
    tagged, _, _ = lab.talker(driver, 100)
    tagged_too, _, _ = lab.talker(driver, 100)
    with frames(plain, "eth1") as seen, frames(tagged_too, "eth1") as on_vlan:
        deliver(tagged, b"secret", on_vlan)
        deliver(other_plain, b"mark", seen)
        assert not [frame for frame in seen.until(says(b"mark")) if says(b"secret")(frame)]
        lab.switch.vsctl("clear", "port", attachment.names["host"], "tag", "vlan_mode")
        assert deliver(tagged, b"control", seen).vlan == 100


def test_a_frame_that_an_untagged_pod_tags_enters_no_vlan(lab: Lab) -> None:
    """Positive control: it does once the Pod's port is a trunk."""
    driver = lab.ready_driver()
    plain, _, attachment = lab.talker(driver, 0)
    other_plain, _, _ = lab.talker(driver, 0)
    tagged, _, _ = lab.talker(driver, 100)
    tagged_too, _, _ = lab.talker(driver, 100)
    with frames(tagged, "eth1") as seen, frames(other_plain, "eth1") as on_plain:
        deliver(plain, b"warm", on_plain)
        send(plain, b"intruder", vlan=100)
        deliver(plain, b"sent", on_plain)  # and so the switch is done with the frame before it
        deliver(tagged_too, b"mark", seen)
        assert not [frame for frame in seen.until(says(b"mark")) if says(b"intruder")(frame)]
        lab.switch.vsctl("clear", "port", attachment.names["host"], "tag", "vlan_mode")
        deliver(plain, b"control", seen, vlan=100)


def test_a_pod_on_a_vlan_cannot_hop_to_another(lab: Lab) -> None:
    driver = lab.ready_driver()
    attacker, _, _ = lab.talker(driver, 100)
    neighbour, _, _ = lab.talker(driver, 100)
    victim, _, _ = lab.talker(driver, 200)
    victim_too, _, _ = lab.talker(driver, 200)
    with frames(victim, "eth1") as seen, frames(neighbour, "eth1") as near:
        deliver(attacker, b"warm", near)
        send(attacker, b"intruder", vlan=200)
        deliver(attacker, b"sent", near)
        deliver(victim_too, b"mark", seen)
        assert not [frame for frame in seen.until(says(b"mark")) if says(b"intruder")(frame)]


def test_the_host_hears_no_tenant_on_the_bridges_own_port(lab: Lab) -> None:
    driver = lab.ready_driver()
    sender, _, _ = lab.talker(driver, 100)
    listener, _, _ = lab.talker(driver, 100)
    plain, _, _ = lab.talker(driver, 0)
    assert "state DOWN" in run_in(lab.node, ["ip", "link", "show", "br-secondary"])
    run_in(lab.node, ["ip", "link", "set", "br-secondary", "up"])
    with frames(None, "br-secondary") as seen, frames(listener, "eth1") as on_vlan:
        deliver(sender, b"secret", on_vlan)
        deliver(plain, b"mark", seen)
        assert not [frame for frame in seen.until(says(b"mark")) if says(b"secret")(frame)]


def test_the_uplink_carries_the_tag(lab: Lab) -> None:
    run_in(lab.node, ["ip", "link", "add", "up0", "type", "veth", "peer", "name", "wire0"])
    run_in(lab.node, ["ip", "link", "set", "wire0", "up"])
    driver = lab.ready_driver({"bridgeName": "br-secondary", "physicalInterfaces": ["up0"]})
    tagged, _, _ = lab.talker(driver, 100)
    plain, _, _ = lab.talker(driver, 0)
    with frames(None, "wire0") as wire:
        assert deliver(tagged, b"tagged", wire).vlan == 100
        assert deliver(plain, b"plain", wire).vlan is None
