"""The picture: that the same reports give the same one, what it says, and that nothing overlaps."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import pytest
from secnet.agent.topology import Topology, build, draw_svg

from .reports import ERROR, LONGEST, SMALL, network_report, node_state, pod_report

SVG = "{http://www.w3.org/2000/svg}"


def _many(pods: int) -> Topology:
    vlans = itertools.cycle([100, 0, 4094, 17])
    networks = (
        [network_report(next(vlans), addresses=("255.255.255.255/24", "fd00:1111:2222:3333:4444:5555:6666:7777/64"))]
        * (1 + at % 2)
        for at in range(pods)
    )
    reports = [pod_report(f"{LONGEST[:200]}-{at}", *each, namespace="p" * 63) for at, each in enumerate(networks)]
    bad = network_report(None, "x" * 15, "", phase="Failed", error=ERROR, addresses=())
    uplinks = {f"br{at}": ["x" * 15] * 8 for at in range(1, 3)}
    return build(LONGEST, [node_state(f"the uplink {'x' * 15} is gone", **uplinks)], [*reports, pod_report("bad", bad)])


Box = tuple[float, float, float, float]


def _boxes(root: ET.Element, *, high: float) -> list[Box]:
    found = [
        tuple(float(item.get(key, 0)) for key in ("x", "y", "width", "height")) for item in root.iter(f"{SVG}rect")
    ]
    return [(x, y, x + w, y + h) for x, y, w, h in found if h == high]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("pods", [0, 1, 20, 110])
def test_nothing_overlaps_and_nothing_is_cut_off(pods: int) -> None:
    topology = _many(pods)
    text = draw_svg(topology)
    root = ET.fromstring(text)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    cards = [box for box in _boxes(root, high=58) if box[2] - box[0] > 6]
    assert len(cards) == len(topology.interfaces)
    chips = _boxes(root, high=26)
    assert len(chips) == 16
    for one, other in itertools.combinations(cards + chips, 2):
        assert not _overlap(one, other)
    assert all(0 <= x1 < x2 <= width - 24 and 0 <= y1 < y2 <= height for x1, y1, x2, y2 in cards + chips)
    texts = [(float(item.get("x", 0)), float(item.get("y", 0)), item) for item in root.iter(f"{SVG}text")]
    for x, y, item in texts:
        character = 10.9 if item.get("class") == "t b" else 7.25
        end = x if item.get("text-anchor") == "end" else x + len(item.text or "") * character
        assert end <= width - 24, item.text
        assert y <= height, item.text
        for card in cards:
            if card[0] <= x < card[2] and card[1] <= y <= card[3]:
                assert end <= card[2], f"{item.text} leaves its card"


def test_the_same_reports_give_the_same_picture() -> None:
    assert draw_svg(_many(20)) == draw_svg(_many(20))
    states, pods = [node_state(br1=["eth1"])], [pod_report("b", network_report()), pod_report("a", network_report())]
    assert draw_svg(build("n", states, pods)) == draw_svg(build("n", states, pods[::-1]))


def test_the_picture_says_what_is_wrong() -> None:
    root = ET.fromstring(draw_svg(SMALL))
    words = " ".join(item.text or "" for item in root.iter(f"{SVG}text"))
    for word in (
        "node worker-1",
        "bridge br1",
        "VLAN 100",
        "untagged",
        "network type sriov",
        "what is wrong",
        "no port",
    ):
        assert word in words
    red = [item for item in root.iter(f"{SVG}rect") if item.get("stroke") == "#c42b2b" and item.get("height") == "58"]
    assert len(red) == 3
