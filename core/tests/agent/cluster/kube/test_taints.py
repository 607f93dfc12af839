"""One taint of a Node goes, over HTTP, whatever others do to its taints at that moment."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.cluster.kube import KubeCluster
from secnet.contract import InvalidConfig, ObjectNotFound
from secnet_testing.kubeapi.process import KubeApiProcess

KEY = "startup-taint.cluster-autoscaler.kubernetes.io/secnet-not-ready"
OURS = {"key": KEY, "effect": "NoSchedule"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
OTHER = {"key": "example.com/gpu", "value": "true", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}


def node(*taints: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": list(taints)}}


def taints(api: KubeApiProcess) -> list[dict[str, str]]:
    found: list[dict[str, str]] = api.get(node())["spec"].get("taints") or []
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([OURS], []),
        ([CORDON, OURS, OTHER], [CORDON, OTHER]),
        ([OURS | {"value": "x", "effect": "NoExecute"}, CORDON, OURS], [CORDON]),
    ],
)
def test_every_taint_of_the_key_goes_and_no_other(
    api: KubeApiProcess, cluster: KubeCluster, before: list[dict[str, str]], after: list[dict[str, str]]
) -> None:
    api.create(node(*before))
    assert cluster.remove_taint("n", KEY)
    assert taints(api) == after


@pytest.mark.parametrize("before", [[], [CORDON], [{**OURS, "key": f"{KEY}-2"}]])
def test_without_it_nothing_is_written(
    api: KubeApiProcess, cluster: KubeCluster, before: list[dict[str, str]], calls: list[tuple[str, str, int]]
) -> None:
    api.create(node(*before))
    assert not cluster.remove_taint("n", KEY)
    assert calls == [("get", "Node", 200)]


def test_a_node_without_the_field_has_none(api: KubeApiProcess, cluster: KubeCluster) -> None:
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    assert not cluster.remove_taint("n", KEY)


def test_a_taint_that_comes_between_look_and_patch_stays(
    api: KubeApiProcess, cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the API of the cluster's own, so that another writer comes exactly between the two requests."""
    api.create(node(OURS))
    call, changes = cluster._api.call, iter([node(CORDON, OURS), node(CORDON, OTHER, OURS)])

    def interrupted(transport: Any, request: Any) -> Any:
        if request.verb == "patch" and (change := next(changes, None)) is not None:
            api.apply(change)
        return call(transport, request)

    monkeypatch.setattr(cluster._api, "call", interrupted)
    assert cluster.remove_taint("n", KEY)
    assert taints(api) == [CORDON, OTHER]


def test_a_node_that_is_gone(cluster: KubeCluster) -> None:
    with pytest.raises(ObjectNotFound):
        cluster.remove_taint("n", KEY)


def test_a_refusal_is_not_asked_for_for_ever(
    api: KubeApiProcess, cluster: KubeCluster, calls: list[tuple[str, str, int]]
) -> None:
    api.create(node(OURS))
    for _ in range(10):
        api.fail(kind="status", status=422, path="/nodes/n", method="PATCH")
    with pytest.raises(InvalidConfig):
        cluster.remove_taint("n", KEY)
    assert len(calls) == 10
    assert taints(api) == [OURS]
