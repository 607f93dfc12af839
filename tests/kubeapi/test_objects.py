"""How an API server keeps objects: the double does what a real one does, as the other tests lean on it."""

from __future__ import annotations

import copy
from typing import Any

from secnet_testing.kubeapi.api_server import ApiServer
from secnet_testing.kubeapi.definitions import definition

from .helpers import PODS, POOLS, pod, pool, refused


def test_identity_and_revision(api: ApiServer) -> None:
    first, second = api.create(pod("a")), api.create(pod("b"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert int(first["metadata"]["resourceVersion"]) < int(second["metadata"]["resourceVersion"])
    with refused(409, "AlreadyExists"):
        api.create(pod("a"))
    with refused(404, "NotFound"):
        api.create(pod("c", namespace="nowhere"))
    with refused(422, "Invalid"):
        api.create(pod("Upper"))
    with refused(400):
        api.create(pod("c", annotations={"a": 1}))
    made = api.request("POST", PODS, pod("") | {"metadata": {"generateName": "web-"}})
    assert made["metadata"]["name"].startswith("web-")
    assert len(made["metadata"]["name"]) == 9


def test_a_write_of_nothing_new_makes_no_revision(api: ApiServer) -> None:
    live = api.create(pod("a", annotations={"x": "1"}))
    assert api.patch(pod("a"), {"metadata": {"annotations": {"x": "1", "absent": None}}}) == live


def test_a_stale_write_is_a_conflict(api: ApiServer) -> None:
    old = api.create(pod("a"))
    api.patch(pod("a"), {"metadata": {"labels": {"a": "b"}}})
    with refused(409, "Conflict"):
        api.request("PUT", f"{PODS}/a", old)
    with refused(409, "Conflict"):
        api.patch(pod("a"), {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}})


def test_the_uid_of_another_life(api: ApiServer) -> None:
    live = api.create(pod("a"))
    other = copy.deepcopy(live)
    other["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with refused(409, "Conflict"):
        api.request("PUT", f"{PODS}/a", other)
    with refused(422, "Invalid"):  # so it is with a patch: client-go's controllers count on it
        api.patch(pod("a"), {"metadata": {"uid": other["metadata"]["uid"]}})


def test_the_status_is_written_apart(api: ApiServer) -> None:
    used, total = {"usage": {"used": 1}}, {"usage": {"total": 254}}
    live = api.create(pool() | {"status": used})
    assert "status" not in live
    meta = live["metadata"] | {"labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a/b"]}
    stored = api.request("PUT", f"{POOLS}/p/status", pool(vlan=2) | {"metadata": meta, "status": used})
    assert (stored["spec"], stored["status"]) == (live["spec"], used)
    assert stored["metadata"].keys() - {"managedFields"} == live["metadata"].keys() - {"managedFields"}
    assert stored["metadata"]["generation"] == 1
    changed = pool(vlan=2) | {"metadata": stored["metadata"], "status": total}
    stored = api.request("PUT", f"{POOLS}/p", changed)
    assert (stored["spec"], stored["status"]) == (changed["spec"], used)
    assert stored["metadata"]["generation"] == 2
    with refused(422, "Invalid"):
        api.request("PUT", f"{POOLS}/p", pool())  # no resourceVersion
    for status in ({"ipAddresses": [{"ipAddress": "10.0.0.2"}]}, {"usage": {"used": "1"}}):
        with refused(422, "Invalid"):
            api.patch(stored, {"status": status}, "/status")
    given = {"ipAddress": "10.0.0.2", "phase": "Allocated", "owner": {"pod": {"name": "a", "unknown": 1}}}
    stored = api.patch(stored, {"status": {"ipAddresses": [given]}}, "/status")
    assert stored["status"]["ipAddresses"] == [given | {"owner": {"pod": {"name": "a"}}}]
    nad = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "spec": {}}
    nad |= {"metadata": {"name": "n", "namespace": "default"}}
    api.create(nad)
    with refused(404):
        api.patch(nad, {"status": {}}, "/status")


def test_a_pod_gets_its_node_once(api: ApiServer) -> None:
    live = api.create(pod("a"))
    api.bind(live, "n")
    bound = api.get(live)
    assert bound["spec"]["nodeName"] == "n"
    assert [(item["type"], item["status"]) for item in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    with refused(409, "Conflict"):
        api.bind(live, "n")
    with refused(422, "Invalid"):
        api.create(pod("b") | {"spec": {}})


def test_metadata_is_checked(api: ApiServer) -> None:
    live = api.create(pod("a"))
    size = 256 << 10
    for meta in (
        {"labels": {"a": "two words"}},
        {"annotations": {"two words": ""}},
        {"annotations": {"a": "x" * size}},
        {"finalizers": ["unqualified"]},
    ):
        with refused(422, "Invalid"):
            api.patch(live, {"metadata": meta})
    assert api.patch(live, {"metadata": {"annotations": {"a": "x" * (size - 1)}}})
    with refused(400, "BadRequest"):
        api.request("POST", PODS, pod("b", namespace="other"))
    with refused(400, "BadRequest"):
        api.request("POST", POOLS, {"metadata": {"name": "p"}})
    for method, path in (("PUT", PODS), ("POST", f"{PODS}/a")):
        with refused(405, "MethodNotAllowed"):
            api.request(method, path, pod("a"))
    with refused(404):
        api.request("GET", "/apis/sn.example/v1/widgets")
    with refused(404, "NotFound"):
        api.request("GET", "/api/v1/widgets")


def test_a_custom_resource_is_pruned_completed_and_validated(api: ApiServer) -> None:
    item = {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer", "minimum": 1}}}
    properties = {
        "items": {"type": "array", "items": item},
        "mode": {"type": "string", "default": "plain", "enum": ["plain", "fancy"]},
        "port": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    crd = definition("Widget", "widgets", "sn.example", "v1", namespaced=True, status=False, schema=schema)

    def widget(name: str, **spec: Any) -> dict[str, Any]:
        meta = {"name": name, "namespace": "default", "labels": {"kept": "yes"}}
        return {"apiVersion": "sn.example/v1", "kind": "Widget", "metadata": meta, "spec": spec, "unknown": 1}

    with refused(404):
        api.create(widget("a"))
    api.create(crd)
    try:
        wanted = {"items": [{"size": 2, "extra": 1}], "port": "http", "free": {"x": 1}, "map": {"k": "v"}, "gone": 1}
        stored = api.create(widget("a", **wanted))
        kept = {"items": [{"size": 2}], "port": "http", "free": {"x": 1}, "map": {"k": "v"}, "mode": "plain"}
        assert stored["spec"] == kept
        assert "unknown" not in stored
        assert stored["metadata"]["labels"] == {"kept": "yes"}
        bad: list[dict[str, Any]] = [{"items": [{}]}, {"items": [{"size": 0}]}, {"mode": "odd"}, {"port": 1.5}]
        for spec in bad:
            with refused(422, "Invalid"):
                api.create(widget("b", **spec))
    finally:
        api.delete(crd)
    with refused(404):
        api.get(widget("a"))


def test_an_event_is_checked(api: ApiServer) -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}}
    with refused(422):
        api.create(event | {"involvedObject": {"namespace": "other"}})
    legacy = event | {"involvedObject": {"namespace": "default"}, "message": "x" * 1025}
    stored = api.create(legacy)
    assert (stored["eventTime"], stored["source"], stored["reportingComponent"]) == (None, {}, "")
    api.delete(event)
    new = legacy | {"eventTime": "2023-11-14T22:13:20.000000Z", "reason": "R", "action": "A", "type": "Normal"}
    new |= {"reportingComponent": "sn.example/c", "reportingInstance": "i"}
    with refused(422, "Invalid"):
        api.create(new)
    api.create(new | {"message": "x" * 1024})
