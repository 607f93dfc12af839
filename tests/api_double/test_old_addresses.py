"""Addresses that ended sandboxes left in the pools: they come back without help, and never while anybody may use them."""

from __future__ import annotations

import shutil
from typing import Any

import grpc
import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool

pytestmark = pytest.mark.runtime


def rebooted(node: ClusterNode, name: str) -> str:
    """The node as it is after a reboot: no sandbox of the Pod, no records. Returns the Pod's uid; the test is the kubelet."""
    uid = str(node.live(name)["metadata"]["uid"])
    node.node.stop()
    sandbox = node.kubelet.sandbox("default", name)
    assert sandbox is not None
    node.kubelet.stop()
    node.runtime.remove_pod(sandbox)
    shutil.rmtree(node.node.run_dir)
    node.node.agent()
    return uid


def runs(node: ClusterNode, name: str, uid: str) -> bool:
    """Try to run a sandbox, as the kubelet does again and again: just after its start the agent may not reach the runtime yet."""
    try:
        node.runtime.run_pod("default", name, uid=uid)
    except grpc.RpcError:
        return False
    return True


@pytest.mark.parametrize("sync", [True, False], ids=["chained", "beside"])
@pytest.mark.parametrize(
    ("ips", "limits"),
    [(["10.10.0.50"], {}), (None, {"end": "10.10.0.10"})],
    ids=["the same address", "a full pool"],
)
def test_after_a_reboot_a_pod_has_its_address_again(
    cluster_node_factory: ClusterNodeFactory, sync: bool, ips: list[str] | None, limits: dict[str, Any]
) -> None:
    """Its own entry is in the way, and no one is left who would give it back."""
    node = cluster_node_factory(sync=sync)
    node.api.create(nad("blue"))
    node.api.create(pool("blue", **limits))
    node.node.agent()
    if sync:
        node.wait_chained()
    node.api.create(pod("a", [{"name": "blue", "ips": ips}] if ips else "blue"))
    node.wait_attached("a")
    before = node.address("a")
    uid = rebooted(node, "a")
    if sync:
        node.wait_chained()
    node.wait(lambda: runs(node, "a", uid), "the Pod has a sandbox")
    node.wait(lambda: node.is_attached("a"), "the Pod's networks are there")
    assert node.address("a") == before
    assert node.used("blue") == 1


def test_a_pod_made_again_on_another_node_waits_for_the_address_of_the_first(
    cluster_node_factory: ClusterNodeFactory,
) -> None:
    """Deleted by force: whether its container still runs on the first node, no one on the second one can know."""
    first, second = cluster_node_factory(), cluster_node_factory()
    first.api.create(nad("blue"))
    first.api.create(pool("blue"))
    for node in (first, second):
        node.node.agent()
    asked = [{"name": "blue", "ips": ["10.10.0.50"]}]
    first.api.create(pod("a", asked, node=first.name))
    first.wait_attached("a")
    first.kubelet.stop()
    first.api.delete(pod("a", asked))
    first.api.create(pod("a", asked, node=second.name))
    second.wait(
        lambda: "not given its address back" in second.condition("a").get("message", ""), "it says why it waits"
    )
    assert [record.pod.node for record in first.node.records() if record.pod] == [first.name]
    sandbox = first.kubelet.sandbox("default", "a")
    assert sandbox is not None
    first.runtime.remove_pod(sandbox)
    second.wait_attached("a")
    assert second.address("a") == "10.10.0.50"
