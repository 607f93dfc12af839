"""The drawing of a node's networks: what it says, that the same reports give the same picture, and that nothing overlaps."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from secnet.agent.cli import main
from secnet.agent.model.report import NetworkReport, NodeState, PodReport
from secnet.agent.state.reports import Reports
from secnet.agent.topology import Topology, build, draw_svg, draw_text
from secnet.contract import ErrorInfo, Finding, NodeReport, PodRef

SVG = "{http://www.w3.org/2000/svg}"
LONGEST = "n" * 253
ERROR = ErrorInfo(reason="NotReady", message="the bridge <br> & \x1b[31mmore\x00 is\nmissing", hint="x" * 300)


def _pod(name: str, *networks: NetworkReport, namespace: str = "default", error: ErrorInfo | None = None) -> PodReport:
    return PodReport(pod=PodRef(namespace=namespace, name=name, uid=name), networks=networks, error=error)


def _network(vlan: int | None = 100, ifname: str = "eth1", bridge: str = "br1", **rest: object) -> NetworkReport:
    given = {
        "network": "default/red",
        "phase": "Attached",
        "network_type": "vlan",
        "addresses": ("10.0.0.5/24",),
        **rest,
    }
    return NetworkReport(vlan=vlan, interface=ifname, details={"bridge": bridge} if bridge else {}, **given)  # type: ignore[arg-type]


def _state(*findings: str, **uplinks: list[str]) -> NodeState:
    report = NodeReport(
        findings=tuple(Finding(code="NotReady", message=text) for text in findings),
        details={"bridges": [name.replace("_", "-") for name in uplinks], "uplinks": uplinks},
    )
    return NodeState(network_type="vlan", report=report)


SMALL = build(
    "worker-1",
    [_state("OVS bridge br1: the uplink eth9 does not exist", br1=["eth1", "eth9"], br2=[])],
    [
        _pod("web", _network(), _network(0, "eth2")),
        _pod("db", _network(phase="Degraded", error=ErrorInfo(reason="Degraded", message="no port"))),
        _pod("nic", _network(None, bridge="", network_type="sriov", addresses=())),
        _pod("bad", _network(None, "eth1", "", phase="Pending", error=ERROR, addresses=())),
        _pod("worse", error=ErrorInfo(reason="InvalidAnnotation", message="no JSON")),
    ],
)


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
        f"✗ Pod default/bad eth1: NotReady: the bridge <br> & [31mmore is missing; {'x' * 300}",
        "✗ Pod default/worse: InvalidAnnotation: no JSON",
    ]


def test_colour_and_ascii() -> None:
    red = [line for line in draw_text(SMALL, colour=True).splitlines() if "\x1b[31m" in line]
    assert len(red) == 1 + 3 + 4, "the uplink, three interfaces, and what is wrong"
    assert draw_text(SMALL, unicode=False).isascii()


def test_what_a_finding_names() -> None:
    (bridge,) = build("n", [_state("OVS bridge br1 has another datapath", br1=["br10"])], []).bridges
    assert (bridge.broken, bridge.uplinks[0].broken) == (True, False), "br1 is no part of br10"


def _many(pods: int) -> Topology:
    vlans = itertools.cycle([100, 0, 4094, 17])
    networks = (
        [_network(next(vlans), addresses=("255.255.255.255/24", "fd00:1111:2222:3333:4444:5555:6666:7777/64"))]
        * (1 + at % 2)
        for at in range(pods)
    )
    reports = [_pod(f"{LONGEST[:200]}-{at}", *each, namespace="p" * 63) for at, each in enumerate(networks)]
    bad = _network(None, "x" * 15, "", phase="Failed", error=ERROR, addresses=())
    uplinks = {f"br{at}": ["x" * 15] * 8 for at in range(1, 3)}
    return build(LONGEST, [_state(f"the uplink {'x' * 15} is gone", **uplinks)], [*reports, _pod("bad", bad)])


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
    states, pods = [_state(br1=["eth1"])], [_pod("b", _network()), _pod("a", _network())]
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


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text("nodeName: n\nrunDir: run\n", encoding="utf-8")
    Reports(tmp_path / "run").write(_pod("web", _network()))
    return file


def test_the_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "--config", str(config)]) == 0
    assert "10.0.0.5/24" in capsys.readouterr().out
    picture = config.parent / "a.svg"
    assert main(["topology", "--svg", str(picture), "--config", str(config)]) == 0
    assert ET.parse(picture).getroot().tag == f"{SVG}svg"
    Reports(config.parent / "run").write(_pod("web", _network(phase="Degraded")))
    assert main(["topology", "--config", str(config)]) == 1
    assert main(["topology", "--svg", str(config.parent / "no" / "a.svg"), "--config", str(config)]) == 1
    assert "cannot write" in capsys.readouterr().err
