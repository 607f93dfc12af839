"""Metrics and health of a running agent, asked over HTTP from inside its node."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families
from secnet_conformance.netns import inside
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

PORT = 9465


def _ask(node: Node, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    return inside(node.namespace, ask)


def _metrics(node: Node) -> dict[str, float]:
    status, page = _ask(node, "/metrics")
    assert status == 200
    samples = [item for family in text_string_to_metric_families(page) for item in family.samples]
    return {
        f"{item.name} {' '.join(item.labels[key] for key in sorted(item.labels))}".strip(): item.value
        for item in samples
    }


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
    node.wait_until(lambda: _ask(node, "/readyz") == (200, "ok\n"), "ready")
    assert _ask(node, "/healthz") == (200, "ok\n")
    found = _metrics(node)
    for phase in ("plan", "allocate", "attach", "layer3", "verify", "total"):
        assert found[f"secnet_operation_duration_seconds_count vlan attach {phase}"] == 1, phase
    assert found["secnet_attachments vlan Attached"] == 1
    assert found["secnet_pool_used_addresses antrea red"] == 1
    assert found["secnet_pool_addresses antrea red"] == 10
    assert "secnet_queue_length" in found
    assert [key for key in found if key.startswith("secnet_network_errors")]
    node.remove("all.yaml")
    node.wait_detached("web")
    assert _metrics(node)["secnet_operation_duration_seconds_count vlan detach total"] == 1
    node.stop()
    assert agent.wait_end(10) == 0


def test_an_agent_without_its_switch_is_alive_and_not_ready(node_factory: NodeFactory) -> None:
    node = node_factory(http={"listen": f"127.0.0.1:{PORT}"})
    node.ovs.stop_server()
    node.agent()
    status, reasons = _ask(node, "/readyz")
    assert (status, reasons.split(":")[0]) == (503, "network type vlan")
    assert _ask(node, "/healthz")[0] == 200
    node.ovs.start_server()
    node.wait_until(lambda: _ask(node, "/readyz")[0] == 200, "ready again")
