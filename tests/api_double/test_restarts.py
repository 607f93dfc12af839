"""What comes and goes around living Pods: the agent, the API, the runtime, the switch, the run directory, the node."""

from __future__ import annotations

import json
import shutil

import pytest
from secnet_testing.cluster_node import STATUS, ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.runtime


@pytest.fixture
def pair(cluster_node_factory: ClusterNodeFactory) -> ClusterNode:
    """A node with the plugin in the chain and two Pods that can talk."""
    node = cluster_node_factory(sync=True)
    node.api.create(nad("blue"))
    node.api.create(pool("blue"))
    node.node.agent()
    node.wait_chained()
    for name in ("a", "b"):
        node.api.create(pod(name, "blue"))
    node.wait_attached("a", "b")
    return node


def picture(node: ClusterNode) -> object:
    """What must stay as it is: records, addresses, ports."""
    return node.node.records(), node.address("a"), node.address("b"), sorted(node.ports())


def assert_kept(before: object, node: ClusterNode) -> None:
    """The first two Pods' records are as they were, whoever came after."""
    assert isinstance(before, tuple)
    assert [r for r in node.node.records() if r.pod and r.pod.name in ("a", "b")] == list(before[0])


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_the_agent_comes_and_goes_without_a_lost_packet(pair: ClusterNode, end: str) -> None:
    before, pid = picture(pair), pair.node.agents[-1].pid
    with traffic(pair.namespace("a"), pair.address("b")) as flow:
        if end == "SIGTERM":
            pair.node.stop()
        else:
            pair.node.agents[-1].kill()
        pair.node.agent()
        assert pair.node.agents[-1].pid != pid
        pair.wait_reported("a", "b")
        flow.flows()
        assert flow.lost == 0
    assert picture(pair) == before


def test_network_status_is_repaired_after_a_restart(pair: ClusterNode) -> None:
    wanted = pair.network_status("a")
    pair.node.stop()
    other = [{"name": "other/net", "interface": "net9", "default": False}]
    pair.api.patch(pod("a", None), {"metadata": {"annotations": {STATUS: json.dumps(other)}}})
    pair.node.agent()
    pair.wait(lambda: len(pair.network_status("a")) == 3, "our entries are back beside the other writer's")
    names = {entry["name"] for entry in pair.network_status("a")}
    assert names == {"other/net", *(entry["name"] for entry in wanted)}


def test_an_api_outage_cuts_no_one_off_and_is_made_up_for(pair: ClusterNode) -> None:
    before = picture(pair)
    with traffic(pair.namespace("a"), pair.address("b")) as flow:
        pair.api.outage(True)
        pair.wait(lambda: "cannot be reached" in pair.node.cli("status").stdout, "the status says it")
        pair.node.agents[-1].kill()
        pair.node.agent(ready=False)
        flow.flows(100)
        pair.api.outage(False)
        pair.api.create(pod("c", "blue"))
        pair.wait_attached("c", within=60)
        assert flow.lost == 0
    assert_kept(before, pair)


def test_a_restarted_runtime_changes_nothing(pair: ClusterNode) -> None:
    before = picture(pair)
    with traffic(pair.namespace("a"), pair.address("b")) as flow:
        pair.runtime.restart()
        pair.api.create(pod("c", "blue"))
        pair.wait_attached("c", within=60)
        flow.flows()
        assert flow.lost == 0
    assert_kept(before, pair)


def test_a_restarted_switch_has_its_ports_again(pair: ClusterNode) -> None:
    before = picture(pair)
    pair.node.ovs.stop()
    pair.node.ovs.start()
    pair.wait(lambda: pair.talks("a", "b"), "they talk again", within=60)
    pair.api.create(pod("c", "blue"))
    pair.wait_attached("c", within=60)
    assert_kept(before, pair)


def test_a_lost_run_directory_is_recovered_from_what_carries_our_mark(pair: ClusterNode) -> None:
    addresses = {pair.address("a"), pair.address("b")}
    pair.node.stop()
    shutil.rmtree(pair.node.run_dir)
    pair.node.agent()
    pair.wait(lambda: len(pair.node.records()) == 2, "both Pods have their networks again")
    pair.wait_attached("a", "b")
    pair.wait(lambda: pair.talks("a", "b"), "they talk")
    assert len({pair.address("a"), pair.address("b")} | addresses) <= 4
    pair.wait(lambda: pair.used("blue") == 2, "no address is doubled or lost")


def test_records_of_another_boot_are_given_up_and_their_pods_served_again(pair: ClusterNode) -> None:
    """A node's reboot: the kernel's objects are gone, what is in the API and on disk is not."""
    pair.node.stop()
    for name in ("a", "b"):
        pair.runtime.kill_pause(pair.kubelet.sandbox("default", name))
    for path in (pair.node.run_dir / "journal").glob("*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"boot_id": "another"}))
    pair.node.agent()
    pair.wait_attached("a", "b", within=60)
    pair.wait(lambda: pair.used("blue") == 2 and len(pair.node.records()) == 2, "each has one address")
    pair.wait(lambda: pair.talks("a", "b"), "they talk")
