"""An agent whose node name no Node has: no Pod is ever its own, and somebody must say why."""

from __future__ import annotations

import itertools
import json

import pytest
from secnet.agent.state.run_dir import current_boot_id
from secnet_testing.cluster_node import STATUS, ClusterNodeFactory, nad, pod, pool, set_boot_id

pytestmark = pytest.mark.runtime

PORT = 9465
LISTEN = {"http": {"listen": f"127.0.0.1:{PORT}"}}
TOKEN = "agent-token"


def test_it_is_not_ready_until_there_is_such_a_node(cluster_node_factory: ClusterNodeFactory) -> None:
    node = cluster_node_factory(**LISTEN, nodeName="nobody")
    agent = node.node.agent()
    text = "Node nobody: there is none of this name"
    node.wait(lambda: node.readyz(PORT)[0] == 503 and text in node.readyz(PORT)[1], "not ready, with the reason")
    node.wait(lambda: text in agent.text, "said in the log")
    node.wait(lambda: text in node.node.cli("status").stdout, "and by secnet status")
    doctor = node.node.cli("doctor")
    assert doctor.returncode == 1
    assert "FAIL  Kubernetes API: there is no node 'nobody'" in doctor.stdout
    node.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "nobody"}})
    node.wait(lambda: node.readyz(PORT)[0] == 200, "ready by itself")


def test_it_serves_nothing_while_the_node_is_another_machines(cluster_node_factory: ClusterNodeFactory) -> None:
    node = cluster_node_factory(**LISTEN)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    mine = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}
    set_boot_id(node.api, mine, "of-another-machine")
    entry = {"secnet.io/owner": "secnet", "name": "default/blue", "interface": "eth1", "default": False}
    node.api.create(pod("theirs", "blue"))
    node.api.patch(pod("theirs", None), {"metadata": {"annotations": {STATUS: json.dumps([entry])}}})
    agent = node.node.agent()
    text = "Node node-1: is another machine's"
    node.wait(lambda: node.readyz(PORT)[0] == 503 and text in node.readyz(PORT)[1], "not ready, with the reason")
    node.wait(lambda: text in agent.text, "said in the log")
    node.wait(lambda: text in node.node.cli("status").stdout, "and by secnet status")
    assert "its bootID is of-another-machine" in node.node.cli("doctor").stdout
    node.wait(lambda: node.is_running("theirs"), "its sandbox is there")
    assert node.network_status("theirs") == [entry], "no one wrote it"
    assert (node.node.records(), node.used("blue")) == ((), 0)
    set_boot_id(node.api, mine, current_boot_id())
    node.wait_attached("theirs")
    node.wait(lambda: node.readyz(PORT)[0] == 200, "it is ready")


def test_two_agents_of_one_name_do_not_undo_each_other(cluster_node_factory: ClusterNodeFactory) -> None:
    """Where the Node has no boot id, nothing tells the second one that it is wrong."""
    node = cluster_node_factory(**LISTEN)
    set_boot_id(node.api, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}, None)
    other = cluster_node_factory(nodeName=node.name, token="other-token", workers={"checkInterval": 1})
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    node.api.create(pod("a", "blue"))
    node.wait_attached("a")
    entry = node.network_status("a")
    other.node.agent()
    other.wait_reported("a")
    node.annotate("a", "blue, blue")
    node.wait(lambda: len(node.network_status("a")) == len(entry) + 1, "the one that has the sandbox tells it")
    other.wait(lambda: len(getattr(other.node.report("a"), "networks", ())) == 2, "the other one saw it")
    assert [each for each in other.calls("other-token") if each[0] == "PATCH"] == []
    assert (len(node.network_status("a")), node.is_attached("a")) == (len(entry) + 1, True)


def test_the_node_is_read_once_and_after_each_new_list(cluster_node_factory: ClusterNodeFactory) -> None:
    node = cluster_node_factory(**LISTEN, workers={"count": 2, "checkInterval": 1})

    def looks(resource: str) -> int:
        return sum(name.startswith(resource) for _, name in node.calls(TOKEN))

    node.node.agent()
    node.wait(lambda: looks("daemonsets/") > 3, "it looks around again and again")
    node.wait(lambda: looks("nodes/") == 2, "once for its name, and once for the startup taint")

    def expire() -> None:
        """Make what the watch would go on from too old; a bookmark may have come in between, so it may take another one."""
        node.api.patch(pool("blue"), {"metadata": {"labels": {"turn": str(next(turns))}}})
        node.api.compact()
        node.api.cut_watches()

    turns = itertools.count()
    node.api.create(pool("blue"))
    node.wait(lambda: expire() or looks("nodes/") > 2, "looked up after the new list")
