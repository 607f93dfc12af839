"""Every line about an attachment says which: Pod, network, interface and container id, for people and for machines."""

from __future__ import annotations

import json

import pytest
from secnet.agent.base.logs import CONTEXT_FIELDS
from secnet_testing.node import Node, NodeFactory
from secnet_testing.node_inspection import wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs


def _life(node: Node) -> list[str]:
    """Attach, fail to attach, lose a namespace, detach; returns what the agent printed, and the container id."""
    node.put("red.yaml", as_manifest(nad("red", vlan=11, pools=["red"])))
    node.put("pool.yaml", as_manifest(pool("red", "10.11.0.10-10.11.0.10", gateway="10.11.0.1", prefix=24)))
    node.put("web.yaml", as_manifest(pod("web", node.pod("web").path, "red")))
    node.agent()
    node.wait_attached("web")
    node.put("late.yaml", as_manifest(pod("late", node.pod("late").path, "red")))
    wait_error(node, "late")
    node.remove("web.yaml")
    node.wait_detached("web")
    node.stop()
    return node.agents[-1].text.splitlines()


def test_lines_for_machines(node_factory: NodeFactory) -> None:
    lines = [json.loads(line) for line in _life(node_factory(log={"level": "debug", "format": "json"}))]
    about = [line for line in lines if line["logger"] == "secnet.attachment"]
    assert {"attached", "detached"} <= {line["message"] for line in about}
    assert next(line for line in about if line["message"].startswith("attach failed"))["reason"] == "Busy"
    assert {line.get("step") for line in about} >= {"veth.create", "port.add", "journal.plan", "link.up"}
    for line in about:
        assert set(CONTEXT_FIELDS) <= set(line), line
        assert line["interface"] == "eth1"
        assert (line["pod"], line["network"]) in [("default/web", "default/red"), ("default/late", "default/red")]
        assert len(line["container"]) == 13


def test_lines_for_people(node_factory: NodeFactory) -> None:
    about = [
        line for line in _life(node_factory()) if any(word in line for word in ("tached", "attach failed", " step "))
    ]
    ours = [line for line in about if "step bridge." not in line and "step uplink." not in line]
    assert [line for line in ours if " WARNING attach failed" in line]
    assert [line for line in ours if " step veth.create " in line]
    for line in ours:
        for field in CONTEXT_FIELDS:
            assert f" {field}=" in line, line
