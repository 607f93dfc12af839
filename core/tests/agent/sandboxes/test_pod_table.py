"""This node's Pods: which changes are worth a new look."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.model.pod import is_finished, pod_key
from secnet.agent.sandboxes.pod_table import PodTable


def pod(**changes: Any) -> dict[str, Any]:
    meta = {"namespace": "default", "name": "web", "uid": "u1", "annotations": {}} | changes.pop("metadata", {})
    return {"metadata": meta, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}} | changes


@pytest.mark.parametrize(
    ("changed", "matters"),
    [
        (pod(), False),
        (pod(status={"phase": "Running", "conditions": [{"type": "Ready"}]}), False),
        (pod(metadata={"labels": {"a": "b"}}), False),
        (pod(metadata={"annotations": {"a": "b"}}), True),
        (pod(metadata={"uid": "u2"}), True),
        (pod(status={"phase": "Succeeded"}), True),
        (pod(status={"phase": "Running", "podIPs": [{"ip": "192.0.2.7"}]}), True),
    ],
    ids=["nothing", "condition", "label", "annotation", "another Pod", "it ended", "a sandbox made again"],
)
def test_only_what_may_change_its_networks_matters(changed: dict[str, Any], matters: bool) -> None:
    table = PodTable("node-1")
    assert table.update(pod())
    assert table.update(changed) is matters
    assert table.get(("default", "web")) is changed


def test_a_pod_of_another_node_is_none_of_ours() -> None:
    table = PodTable("node-1")
    table.update(pod())
    assert table.update(pod(spec={"nodeName": "node-2"}))
    assert table.all() == {}


def test_a_pod_without_namespace_is_in_the_default_one() -> None:
    assert pod_key({"metadata": {"name": "web"}}) == ("default", "web")


def test_only_an_end_for_good_is_one() -> None:
    phases = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
    assert [phase for phase in phases if is_finished({"status": {"phase": phase}})] == ["Succeeded", "Failed"]
    assert not is_finished({})
