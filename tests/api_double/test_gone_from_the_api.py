"""Pods whose object goes while their sandbox lives: static Pods whose mirror is deleted, and deletion without the kubelet."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from secnet_testing.cluster_node import ClusterNode, ClusterNodeFactory, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.runtime


def mirror(name: str, hashed: str) -> Any:
    """A static Pod as the kubelet shows it in the API."""
    made = pod(name, "blue")
    known = {f"kubernetes.io/config.{key}": value for key, value in (("hash", hashed), ("mirror", hashed))}
    made["metadata"]["annotations"] |= known | {"kubernetes.io/config.source": "file"}
    return made


class Statics:
    """A node with two static Pods, `a` and `b`; the test is their kubelet. sandboxes: by name."""

    def __init__(self, factory: ClusterNodeFactory, *, sync: bool) -> None:
        self.node: ClusterNode = factory(sync=sync)
        self.node.api.create(nad("blue"))
        self.node.api.create(pool("blue"))
        self.node.node.agent()
        if sync:
            self.node.wait_chained()
        self.node.kubelet.stop()
        self.hashes = {name: uuid.uuid4().hex for name in ("a", "b")}
        self.sandboxes: dict[str, str] = {}
        for name, hashed in self.hashes.items():
            self.node.api.create(mirror(name, hashed))
            self.sandboxes[name] = self.node.runtime.run_pod("default", name, uid=hashed, source="file")
        for name in self.hashes:
            self.node.wait(lambda name=name: self.node.is_attached(name), f"Pod {name}")  # type: ignore[misc]

    def delete(self, name: str) -> None:
        """Delete the mirror, and wait until the agent has seen it go."""
        self.node.api.delete(mirror(name, ""))
        self.node.wait(lambda: self.outlived(name), "the agent tells that the sandbox lives on")

    def end(self, name: str) -> None:
        """What a kubelet does when the manifest is gone."""
        self.node.runtime.remove_pod(self.sandboxes[name])

    def outlived(self, name: str) -> bool:
        report = self.node.node.report(name)
        return report is not None and report.error is not None and "sandbox lives on" in report.error.message


@pytest.fixture(params=[False, True], ids=["beside", "chained"])
def statics(request: pytest.FixtureRequest, cluster_node_factory: ClusterNodeFactory) -> Statics:
    return Statics(cluster_node_factory, sync=request.param)


def test_a_mirror_that_is_deleted_and_recreated_costs_no_packet(statics: Statics) -> None:
    node, before = statics.node, statics.node.node.records()
    address = node.address("a")
    with traffic(node.namespace("b"), address) as flow:
        statics.delete("a")
        assert node.node.records() == before
        assert "networks stay until the container runtime has ended the sandbox" in node.node.cli("status").stdout
        node.api.create(mirror("a", statics.hashes["a"]))
        node.wait(lambda: node.is_attached("a"), "the new mirror has the condition")
        flow.flows()
        assert flow.lost == 0
    assert node.address("a") == address
    assert node.node.records() == before
    node.wait(lambda: node.node.cli("status").returncode == 0, "nothing is wrong any more")


def test_networks_go_with_the_sandbox_whoever_removed_the_object_and_when(statics: Statics) -> None:
    node = statics.node
    statics.delete("a")
    node.node.stop()
    node.node.agent()
    node.wait(lambda: statics.outlived("a"), "a new agent keeps them too")
    assert (len(node.node.records()), node.used("blue")) == (2, 2)
    statics.end("a")
    node.wait(lambda: node.used("blue") == 1, "its address is given back")
    node.wait(lambda: [r.pod.name for r in node.node.records() if r.pod] == ["b"], "its record is gone")
    node.wait(lambda: node.node.report("a") is None, "nothing is told of it any more")
    assert len(node.ports()) == 1
    statics.end("b")
    node.api.delete(mirror("b", ""))
    node.wait(lambda: node.node.records() == () and node.ports() == [], "the ordinary order of things")


def test_a_runtime_that_is_away_ends_no_one(statics: Statics) -> None:
    node, before = statics.node, statics.node.node.records()
    with traffic(node.namespace("b"), node.address("a")) as flow:
        node.runtime.kill()
        statics.delete("a")
        flow.flows()
        assert node.node.records() == before
        node.runtime.start()
        flow.flows()
    statics.end("a")
    node.wait(
        lambda: [r.pod.name for r in node.node.records() if r.pod] == ["b"], "it is told when the runtime is back"
    )
