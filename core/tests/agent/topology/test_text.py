"""The tree that `secnet topology` prints."""

from __future__ import annotations

from secnet.agent.topology import draw_text

from .reports import SMALL


def test_the_tree() -> None:
    drawn = draw_text(SMALL).splitlines()
    assert drawn[:20] == [
        "node worker-1: 2 bridges, 2 VLANs, 5 Pods, 6 interfaces, 3 broken",
        "├─ bridge br1",
        "│  ├─ uplink eth1",
        "│  ├─ ✗ uplink eth9",
        "│  ├─ untagged",
        "│  │  └─ default/web    eth2  10.0.0.5/24",
        "│  └─ VLAN 100",
        "│     ├─ default/db     eth1  10.0.0.5/24  ✗ Degraded",
        "│     └─ default/web    eth1  10.0.0.5/24",
        "├─ bridge br2",
        "│  └─ no uplinks and no Pods",
        "├─ network type sriov",
        "│  └─ default/nic       eth1  no address",
        "└─ not attached",
        "   ├─ default/bad       eth1  no address  ✗ Pending: NotReady",
        "   └─ default/worse     no address  ✗ Failed: InvalidAnnotation",
        "✗ network type vlan: NotReady: OVS bridge br1: the uplink eth9 does not exist",
        "✗ Pod default/db eth1: Degraded: no port",
        f"✗ Pod default/bad eth1: NotReady: the bridge <br> & \\x1b[31mmore\\x00 is\\nmissing; {'x' * 300}",
        "✗ Pod default/worse: InvalidAnnotation: no JSON",
    ]


def test_colour_and_ascii() -> None:
    red = [line for line in draw_text(SMALL, colour=True).splitlines() if "\x1b[31m" in line]
    assert len(red) == 1 + 3 + 4, "the uplink, three interfaces, and what is wrong"
    assert draw_text(SMALL, unicode=False).isascii()
