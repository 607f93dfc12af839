"""VLANs keep Pods apart. Silence counts only with a positive control: the same two Pods talk after retagging."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from secnet_testing.netns import Namespace, frames, ping, run_in
from secnet_testing.node import Node
from secnet_testing.node_inspection import addresses, apply, port_of, write
from secnet_testing.objects import nad, pod, pool

pytestmark = pytest.mark.ovs

# One subnet for all, so that only the tag stands between them.
POOLS = (
    pool("v4", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24),
    pool("v6", "fd00:1::10-fd00:1::99", gateway="fd00:1::1", prefix=64),
)


def _net(name: str, vlan: int) -> dict[str, object]:
    return nad(name, vlan=vlan, pools=["v4", "v6"])


def _talk(one: Namespace, other: Namespace, *, within: float = 3.0) -> set[bool]:
    """Whether each answers the other, on each family."""

    def ask(way: tuple[Namespace, str]) -> bool:
        return ping(way[0], way[1].split("/")[0], source="eth1", within=within)

    ways = [(a, address) for a, b in ((one, other), (other, one)) for address in addresses(b, "eth1")]
    assert len(ways) == 4
    with ThreadPoolExecutor(len(ways)) as pool_of_threads:
        return set(pool_of_threads.map(ask, ways))


def test_two_vlans_are_apart_until_one_port_is_retagged(bare: Node, tmp_path: Path) -> None:
    red, blue = bare.pod("red"), bare.pod("blue")
    apply(
        bare,
        tmp_path,
        *POOLS,
        _net("red", 11),
        _net("blue", 12),
        pod("red", red.path, "red"),
        pod("blue", blue.path, "blue"),
    )
    assert _talk(red, blue, within=1) == {False}
    bare.ovs.vsctl("set", "Port", port_of(bare, "blue", "eth1"), "tag=11")
    assert _talk(red, blue) == {True}


def test_the_same_pods_talk_once_their_network_says_so(bare: Node, tmp_path: Path) -> None:
    red, blue = bare.pod("red"), bare.pod("blue")
    pods = pod("red", red.path, "red"), pod("blue", blue.path, "blue")
    apply(bare, tmp_path, *POOLS, _net("red", 11), _net("blue", 12), *pods)
    assert _talk(red, blue, within=1) == {False}
    apply(bare, tmp_path / "blue", _net("blue", 11))
    assert _talk(red, blue, within=1) == {False}, "a living attachment keeps the VLAN it was made with"
    assert bare.cli("delete", write(tmp_path / "again", pods[1])).returncode == 0
    apply(bare, tmp_path / "again", pods[1])
    assert _talk(red, blue) == {True}


def test_an_untagged_pod_is_no_trunk(bare: Node, tmp_path: Path) -> None:
    flat, tagged, peer = bare.pod("flat"), bare.pod("tagged"), bare.pod("peer")
    apply(
        bare,
        tmp_path,
        *POOLS,
        nad("flat", pools=["v4", "v6"]),
        _net("tagged", 11),
        pod("flat", flat.path, "flat"),
        pod("tagged", tagged.path, "tagged"),
        pod("peer", peer.path, "flat"),
    )
    assert _talk(flat, peer) == {True}
    assert _talk(flat, tagged, within=1) == {False}
    port = bare.ovs.rows()["Port"][port_of(bare, "flat", "eth1")]
    assert (port["tag"], port["vlan_mode"]) == (0, "access")
    with frames(flat, "eth1") as seen:
        # Broadcast of VLAN 11, then of the untagged network: whoever sees the second and not the first is no member of 11.
        run_in(tagged, ["ping", "-c", "1", "-W", "1", "10.1.0.98"], check=False)
        run_in(peer, ["ping", "-c", "1", "-W", "1", "10.1.0.99"], check=False)
        before = seen.until(lambda frame: frame.arp is not None and frame.arp[2] == "10.1.0.99")
    assert [frame for frame in before if frame.arp is not None and frame.arp[2] == "10.1.0.98"] == []
