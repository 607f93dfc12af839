"""Metrics and health of a running agent, asked over HTTP from inside its node."""

from __future__ import annotations

import pytest
from secnet_testing.agent_page import PORT, ask, metrics
from secnet_testing.node import NodeFactory
from secnet_testing.node_inspection import wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs


def test_what_a_running_agent_says(node_factory: NodeFactory) -> None:
    node = node_factory(http={"listen": f"127.0.0.1:{PORT}"})
    node.put(
        "all.yaml",
        as_manifest(
            nad("red", vlan=11, pools=["red"]),
            nad("nowhere", vlan=11, bridge="br-missing"),
            pool("red", "10.11.0.10-10.11.0.19", gateway="10.11.0.1", prefix=24),
            pod("web", node.pod("web").path, "red"),
            pod("bad", node.pod("bad").path, "nowhere"),
        ),
    )
    agent = node.agent()
    node.wait_attached("web")
    wait_error(node, "bad")
    node.wait_until(lambda: ask(node, "/readyz") == (200, "ok\n"), "ready")
    assert ask(node, "/healthz") == (200, "ok\n")
    found = metrics(node)
    for phase in ("plan", "allocate", "attach", "layer3", "verify", "total"):
        assert found[f"secnet_operation_duration_seconds_count vlan attach {phase}"] == 1, phase
    assert found["secnet_attachments vlan Attached"] == 1
    assert found["secnet_pool_used_addresses antrea red"] == 1
    assert found["secnet_pool_addresses antrea red"] == 10
    assert "secnet_queue_length" in found
    assert [key for key in found if key.startswith("secnet_network_errors")]
    node.remove("all.yaml")
    node.wait_detached("web")
    assert metrics(node)["secnet_operation_duration_seconds_count vlan detach total"] == 1
    node.stop()
    assert agent.wait_end(10) == 0


def test_an_agent_without_its_switch_is_alive_and_not_ready(node_factory: NodeFactory) -> None:
    node = node_factory(http={"listen": f"127.0.0.1:{PORT}"})
    node.ovs.stop_server()
    node.agent()
    status, reasons = ask(node, "/readyz")
    assert (status, reasons.split(":")[0]) == (503, "network type vlan")
    assert ask(node, "/healthz")[0] == 200
    node.ovs.start_server()
    node.wait_until(lambda: ask(node, "/readyz")[0] == 200, "ready again")
