"""The node that other tests stand on: it starts, attaches, stops, and tells the truth."""

from __future__ import annotations

import os
import signal

import pytest
from secnet_testing.netns import run_in
from secnet_testing.node import Node, is_ours
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs


def _manifests(node: Node) -> str:
    return as_manifest(
        pool("ten", "10.1.0.10-10.1.0.99", gateway="10.1.0.1", prefix=24),
        nad("vlan100", pools=["ten"], vlan=100),
        pod("web", node.pod("web").path, "vlan100"),
    )


def test_a_manifest_becomes_an_interface_and_goes_again(node: Node) -> None:
    node.put("all.yaml", _manifests(node))
    node.agent()
    node.wait_attached("web")
    assert "10.1.0.10/24" in run_in(node.pod("web"), ["ip", "-o", "address", "show", "dev", "eth1"])
    entries = [entry for entry in node.network_status("web") if is_ours(entry)]
    assert [(entry["name"], entry["interface"]) for entry in entries] == [("default/vlan100", "eth1")]
    shown = node.status()["pods"]
    assert [network["addresses"] for network in shown[0]["networks"]] == [["10.1.0.10/24"]]
    node.remove("all.yaml")
    node.wait_detached("web")
    assert "eth1" not in run_in(node.pod("web"), ["ip", "-o", "link"])
    node.stop()
    assert not node.agents[-1].running


def test_apply_works_without_an_agent(node: Node) -> None:
    node.put("all.yaml", _manifests(node))
    done = node.cli("apply", node.manifests)
    assert done.returncode == 0, done.stdout + done.stderr
    node.wait_attached("web")


def test_a_report_of_an_earlier_agent_does_not_count(node: Node) -> None:
    node.put("all.yaml", _manifests(node))
    node.agent()
    node.wait_attached("web")
    node.agents[-1].kill()
    node.configure(ownerTag="other")
    report = node.report("web")
    assert report is not None
    assert report.attached
    late = node.agent(ready=False)
    assert not node._is_fresh(report)
    late.kill()


def test_a_burst_of_signals_stops_the_agent(node: Node) -> None:
    """A handler that takes a lock could meet the one that it interrupted, and hang."""
    agent = node.agent()
    for _ in range(2000):
        os.kill(agent.pid, signal.SIGTERM)
    assert agent.wait_end(20) == 0
