"""A third-party driver that does not return, as the API shows it: Events, the Pod's condition, and the other Pods."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.odd_driver import OddDriver

pytestmark = pytest.mark.runtime

WORKERS = {"count": 2, "attachTimeout": 2, "checkInterval": 60, "drainSeconds": 2}


def events(node: ClusterNode, name: str) -> dict[str, str]:
    """Message by reason."""
    found = node.api.items("/api/v1/events")
    return {each["reason"]: each["message"] for each in found if each["involvedObject"]["name"] == name}


@pytest.mark.parametrize("sync", [False, True], ids=["asynchronous", "chained"])
def test_a_call_that_hangs_is_an_event_and_a_condition(
    cluster_node_factory: ClusterNodeFactory, tmp_path: Path, sync: bool
) -> None:
    node, odd = cluster_node_factory(sync=sync, workers=WORKERS), OddDriver(tmp_path / "thirdparty")
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.api.create(nad("odd", networkType="odd", ipam=None, vlan=None))
    odd.does("attach", "hang")
    odd.does("reconcile_node", "hang")
    odd.agent(node.node)
    if sync:
        node.wait_chained()
    for name in ("odd1", "odd2"):
        node.api.create(pod(name, "odd"))
    node.wait(lambda: odd.calls("attach") == 2, "both hang")
    node.api.create(pod("good", "blue"))
    node.wait_attached("good")
    for name in ("odd1", "odd2"):
        node.wait(lambda name=name: "PluginStuck" in events(node, name), "an Event on the Pod")  # type: ignore[misc]
        for word in ("driver odd (thirdparty 1.2)", "attach", "odd.attach"):
            assert word in events(node, name)["PluginStuck"]
        condition = node.condition(name)
        assert (condition["status"], condition["reason"]) == ("False", "PluginStuck")
    node.wait(lambda: "PluginStuck" in events(node, node.name), "an Event on the Node", within=60)
    assert "reconcile_node" in events(node, node.name)["PluginStuck"]
    odd.does("attach", "")
    node.wait_attached("odd1", "odd2", within=90)
