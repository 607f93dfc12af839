"""Counters of links, on real ones with real traffic."""

from __future__ import annotations

import pytest
from secnet.contract import Traffic
from secnet.linux.counters import LinkCounters
from secnet.linux.rtnl import host_rtnl
from secnet_testing.netns import Namespace, NetnsFactory, run_in

pytestmark = pytest.mark.kernel

FRAMES = 5


def test_both_ends_of_a_pair_count_the_same_frames(node_netns: Namespace, netns_factory: NetnsFactory) -> None:
    pod = netns_factory()
    run_in(node_netns, ["ip", "link", "add", "host0", "type", "veth", "peer", "name", "eth1", "netns", pod.name])
    for namespace, name, address in ((node_netns, "host0", "10.9.0.1/24"), (pod, "eth1", "10.9.0.2/24")):
        run_in(namespace, ["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"])
        run_in(namespace, ["ip", "address", "add", address, "dev", name])
        run_in(namespace, ["ip", "link", "set", name, "up"])
    run_in(pod, ["ping", "-q", "-c", str(FRAMES), "-i", "0.05", "-W", "2", "10.9.0.1"])
    with host_rtnl() as kernel:
        found = kernel.counters()["host0"]
    seen = found.of_other_end()
    assert seen.sent_packets >= FRAMES
    assert seen.received_packets >= FRAMES
    assert seen.sent_bytes >= FRAMES * 98  # an echo request of ping with its Ethernet header
    assert (found.packets_in, found.packets_out) == (seen.sent_packets, seen.received_packets)


def test_each_end_is_seen_as_the_pod_sees_it() -> None:
    counters = LinkCounters(name="x", packets_in=1, packets_out=2, bytes_in=3, bytes_out=4)
    assert counters.of_this_end() == Traffic(received_packets=1, sent_packets=2, received_bytes=3, sent_bytes=4)
    assert counters.of_other_end() == Traffic(received_packets=2, sent_packets=1, received_bytes=4, sent_bytes=3)
