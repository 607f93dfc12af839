"""What the drawing knows of a node."""

from __future__ import annotations

from secnet.agent.topology import build

from .reports import node_state


def test_what_a_finding_names() -> None:
    (bridge,) = build("n", [node_state("OVS bridge br1 has another datapath", br1=["br10"])], []).bridges
    assert (bridge.broken, bridge.uplinks[0].broken) == (True, False), "br1 is no part of br10"
