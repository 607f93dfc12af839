"""What is read from a Pod object, whichever of its fields are there."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.model.pod import NETWORKS_ANNOTATION, asks_for_networks, is_finished, pod_key, pod_ref
from secnet.contract import PodRef


def pod(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}, **fields}


def test_the_reference_names_the_node_once_it_is_scheduled() -> None:
    assert pod_ref(pod(spec={"nodeName": "n1"})) == PodRef(namespace="shop", name="web", uid="u1", node="n1")
    assert pod_ref(pod()).node == pod_ref(pod(spec={"nodeName": None})).node == ""


def test_without_a_namespace_it_is_default() -> None:
    bare = {"metadata": {"name": "web"}}
    assert pod_key(bare) == ("default", "web")
    assert pod_ref(bare) == PodRef(namespace="default", name="web", uid="")


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        (None, False),
        ({}, False),
        ({"phase": "Running"}, False),
        ({"phase": "Succeeded"}, True),
        ({"phase": "Failed"}, True),
    ],
)
def test_a_pod_is_finished_by_its_phase(status: Any, finished: bool) -> None:
    assert is_finished(pod(status=status)) is finished


@pytest.mark.parametrize(("value", "asks"), [(None, False), ("", False), ("  \n", False), ("red", True), ("[]", True)])
def test_an_annotation_asks_for_networks_unless_it_is_empty(value: Any, asks: bool) -> None:
    found = pod()
    found["metadata"]["annotations"] = {NETWORKS_ANNOTATION: value}
    assert asks_for_networks(found) is asks
    found["metadata"]["annotations"] = None
    assert not asks_for_networks(found)
