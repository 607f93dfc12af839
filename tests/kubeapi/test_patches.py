"""The three kinds of patch."""

from __future__ import annotations

from typing import Any

import pytest
from secnet_testing.kubeapi.api_server import ApiServer

from .helpers import PODS, POOLS, pod, pool, refused

MERGE, STRATEGIC, JSON = "merge-patch", "strategic-merge-patch", "json-patch"
ZERO = {"lastProbeTime": None, "lastTransitionTime": None}


def patch(api: ApiServer, kind: str, body: Any, path: str = f"{PODS}/a/status") -> Any:
    return api.request("PATCH", path, body, f"application/{kind}+json")


def conditions(*letters: str, status: str = "True") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": letter, "status": status} for letter in letters]}}


def shown(stored: Any) -> str:
    return "".join(f"{item['type']}{item['status'][0].lower()}" for item in stored["status"]["conditions"])


def test_a_condition_has_times_of_nothing_and_no_empty_texts(api: ApiServer) -> None:
    api.create(pod("a"))
    first = {"type": "A", "status": "True"}
    stored = patch(api, MERGE, {"status": {"conditions": [first | {"reason": "", "message": ""}]}})
    assert stored["status"]["conditions"] == [first | ZERO]
    assert patch(api, STRATEGIC, {"status": {"conditions": [first]}}) == stored


def test_a_strategic_merge_patch_puts_what_is_new_first(api: ApiServer) -> None:
    api.create(pod("a"))
    assert shown(patch(api, STRATEGIC, conditions("A", "B", "C"))) == "AtBtCt"
    assert shown(patch(api, STRATEGIC, conditions("D", "C", "E", status="False"))) == "DfAtBtCfEf"
    assert shown(patch(api, STRATEGIC, conditions("B", "A", status="False"))) == "DfBfAfCfEf"
    gone = patch(api, STRATEGIC, {"status": {"conditions": [{"type": "A", "$patch": "delete"}]}})
    assert shown(gone) == "DfBfCfEf"
    none = patch(api, STRATEGIC, {"status": {"conditions": None}})
    assert none["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_other_patches_replace_a_list(api: ApiServer) -> None:
    api.create(pod("a"))
    patch(api, STRATEGIC, conditions("A", "B"))
    assert shown(patch(api, MERGE, conditions("B"))) == "Bt"
    none = patch(api, JSON, [{"op": "remove", "path": "/status/conditions/0"}])
    assert none["status"].get("conditions") is None


def test_patches_that_are_refused(api: ApiServer) -> None:
    api.create(pod("a"))
    with refused(422):
        patch(api, JSON, [{"op": "remove", "path": "/status/nothing"}])
    with refused(422):
        patch(api, JSON, [{"op": "test", "path": "/status/phase", "value": "Running"}])
    with refused(400):
        patch(api, JSON, {"status": {}})
    with refused(400):
        patch(api, MERGE, [])
    with refused(422, "Invalid"):
        patch(api, MERGE, {"status": {"conditions": "text"}})
    with refused(422, "Invalid"):
        patch(api, MERGE, {"metadata": {"annotations": {"a": 1}}})
    with refused(422, "Invalid"):
        patch(api, STRATEGIC, {"status": {"conditions": [{"status": "True"}]}})
    patch(api, STRATEGIC, conditions("A"))
    with refused(500):
        patch(api, STRATEGIC, {"status": {"conditions": [{"status": "True"}]}})
    with refused(404):
        patch(api, MERGE, {}, f"{PODS}/b")
    api.create(pool())
    for kind, path in ((STRATEGIC, f"{POOLS}/p"), ("", f"{PODS}/a")):
        with pytest.raises(Exception, match=r"^415"):
            patch(api, kind, {}, path)


def test_what_a_status_patch_changes_of_a_pod_beside_the_status(api: ApiServer) -> None:
    live = api.create(pod("a", "n"))
    meta = {"labels": {"l": "1"}, "annotations": {"q": "1"}, "finalizers": ["a/b"]}
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    body = {"metadata": meta | {"ownerReferences": [owner]}, "spec": {"nodeName": "other"}}
    stored = patch(api, STRATEGIC, body | conditions("A"))
    assert {key: stored["metadata"].get(key) for key in meta} == meta
    assert "ownerReferences" not in stored["metadata"]
    assert stored["spec"] == live["spec"]
    assert shown(stored) == "At"
    patch(api, MERGE, {"metadata": {"finalizers": None}}, f"{PODS}/a")


def test_a_patch_of_a_pod_changes_no_status_and_no_spec(api: ApiServer) -> None:
    live = api.create(pod("a", "n"))
    assert patch(api, MERGE, {"status": {"phase": "Running"}, "unknown": 1}, f"{PODS}/a") == live
    for body in ({"spec": {"nodeName": "other"}}, {"spec": {"hostNetwork": True}}):
        with refused(422, "Invalid"):
            patch(api, STRATEGIC, body, f"{PODS}/a")
    image = {"spec": {"containers": [{"name": "c", "image": "j"}]}}
    assert patch(api, STRATEGIC, image, f"{PODS}/a")["metadata"]["generation"] == 2
    assert patch(api, MERGE, {"metadata": {"labels": {"a": "b"}}}, f"{PODS}/a")["metadata"]["generation"] == 2
