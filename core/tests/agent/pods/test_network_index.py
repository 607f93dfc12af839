"""Which Pods a NAD concerns: those that name it, and not those that name one with a similar name."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.model.limits import Limits
from secnet.agent.model.pod import NETWORKS_ANNOTATION
from secnet.agent.pods._network_index import NetworkIndex
from secnet.contract import NetworkRef


def _pod(networks: str | None, namespace: str = "default") -> dict[str, Any]:
    annotations = {} if networks is None else {NETWORKS_ANNOTATION: networks}
    return {"metadata": {"namespace": namespace, "name": "p", "uid": "u", "annotations": annotations}}


PODS = {
    ("default", "one"): _pod("vlan1"),
    ("default", "ten"): _pod("vlan10"),
    ("default", "both"): _pod('[{"name": "vlan10"}, {"name": "vlan1", "interface": "net9"}]'),
    ("default", "elsewhere"): _pod("other/vlan1"),
    ("other", "neighbour"): _pod("vlan1", "other"),
    ("default", "malformed"): _pod('[{"name": "vlan1"'),
    ("default", "one-bad-element"): _pod('[{"name": "vlan10", "mac": "x"}, {"name": "VLAN1"}]'),
    ("default", "plain"): _pod(None),
}


@pytest.mark.parametrize(
    ("network", "pods"),
    [
        ("default/vlan1", {"one", "both"}),
        ("default/vlan10", {"ten", "both", "one-bad-element"}),
        ("other/vlan1", {"elsewhere", "neighbour"}),
        ("default/vlan", set()),
        ("default/net9", set()),
    ],
)
def test_only_pods_that_name_the_network(network: str, pods: set[str]) -> None:
    namespace, _, name = network.partition("/")
    found = NetworkIndex().asking_for(NetworkRef(namespace=namespace, name=name), PODS)
    assert {key[1] for key in found} == pods


def test_an_annotation_counts_by_the_limits_of_the_node() -> None:
    key, ref, many = ("default", "p"), NetworkRef(namespace="default", name="vlan1"), ",".join(["vlan1"] * 101)
    assert NetworkIndex(Limits(networks_per_pod=101)).asking_for(ref, {key: _pod(many)}) == [key]
    assert NetworkIndex().asking_for(ref, {key: _pod(many)}) == [], "it is refused as a whole"


def test_an_edited_annotation_counts_as_it_is_now() -> None:
    index, key, ref = NetworkIndex(), ("default", "p"), NetworkRef(namespace="default", name="vlan1")
    assert index.asking_for(ref, {key: _pod("vlan1")}) == [key]
    assert index.asking_for(ref, {key: _pod("vlan10")}) == []
    assert index.asking_for(ref, {}) == []
