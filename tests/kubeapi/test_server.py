"""The test API server behaves as the documents of the Kubernetes API say, for this is what the other tests lean on."""

from __future__ import annotations

import copy
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from secnet_testing.kubeapi.admin import Refused
from secnet_testing.kubeapi.definitions import definition
from secnet_testing.kubeapi.process import ADMIN, KubeApiProcess

NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, **meta: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **meta},
        "spec": spec,
    }


def pool(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": name}, "spec": spec}


def refused(status: int, reason: str = "") -> Any:
    """Expect an answer with this status, and a Status object that says the same."""

    class Expect:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: Any, exc: Any, _: Any) -> bool:
            assert isinstance(exc, Refused), f"expected {status}, got {exc!r}"
            assert (exc.status, exc.body["code"], exc.body["kind"]) == (status, status, "Status"), exc.body
            assert not reason or exc.body["reason"] == reason
            return True

    return Expect()


class Lines:
    """A watch, line by line."""

    def __init__(self, api: KubeApiProcess, path: str) -> None:
        request = urllib.request.Request(api.url + path, headers={"Authorization": f"Bearer {ADMIN}"})
        self.answer = urllib.request.urlopen(request, timeout=20)

    def next(self, *, bookmarks: bool = False) -> tuple[str, dict[str, Any]]:
        while line := self.answer.readline():
            event = json.loads(line)
            if bookmarks or event["type"] != "BOOKMARK":
                return event["type"], event["object"]
        return "END", {}

    def named(self) -> tuple[str, str]:
        kind, obj = self.next()
        return kind, obj["metadata"]["name"]


@pytest.fixture
def watch(kubeapi: KubeApiProcess) -> Iterator[Any]:
    opened: list[Lines] = []

    def start(path: str) -> Lines:
        opened.append(Lines(kubeapi, path))
        return opened[-1]

    yield start
    for lines in opened:
        lines.answer.close()


def test_identity_and_revision(kubeapi: KubeApiProcess) -> None:
    first, second = kubeapi.create(pod("a")), kubeapi.create(pod("b"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert int(first["metadata"]["resourceVersion"]) < int(second["metadata"]["resourceVersion"])
    with refused(409, "AlreadyExists"):
        kubeapi.create(pod("a"))
    with refused(404, "NotFound"):
        kubeapi.create(pod("c", namespace="nowhere"))
    with refused(422, "Invalid"):
        kubeapi.create(pod("Upper"))
    with refused(400):
        kubeapi.create(pod("c", annotations={"a": 1}))
    made = kubeapi.request("POST", PODS, {"metadata": {"generateName": "web-"}})
    assert made["metadata"]["name"].startswith("web-")
    assert len(made["metadata"]["name"]) == 9


def test_a_write_of_nothing_new_makes_no_revision(kubeapi: KubeApiProcess) -> None:
    live = kubeapi.create(pod("a", annotations={"x": "1"}))
    assert kubeapi.patch(pod("a"), {"metadata": {"annotations": {"x": "1", "absent": None}}}) == live


def test_a_stale_write_is_a_conflict(kubeapi: KubeApiProcess) -> None:
    old = kubeapi.create(pod("a"))
    kubeapi.patch(pod("a"), {"metadata": {"labels": {"a": "b"}}})
    with refused(409, "Conflict"):
        kubeapi.request("PUT", f"{PODS}/a", old)
    with refused(409, "Conflict"):
        kubeapi.patch(pod("a"), {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}})


def test_the_uid_of_another_life(kubeapi: KubeApiProcess) -> None:
    live = kubeapi.create(pod("a"))
    other = copy.deepcopy(live)
    other["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with refused(409, "Conflict"):
        kubeapi.request("PUT", f"{PODS}/a", other)
    with refused(422, "Invalid"):  # so it is with a patch: client-go's controllers count on it
        kubeapi.patch(pod("a"), {"metadata": {"uid": other["metadata"]["uid"]}})


def test_the_status_is_written_apart(kubeapi: KubeApiProcess) -> None:
    live = kubeapi.create(pool("p", a=1) | {"status": {"b": 1}})
    assert "status" not in live
    stored = kubeapi.request(
        "PUT", "/apis/crd.antrea.io/v1beta1/ippools/p/status", live | {"status": {"b": 1}, "spec": {}}
    )
    assert (stored["spec"], stored["status"]) == ({"a": 1}, {"b": 1})
    assert stored["metadata"]["generation"] == 1
    stored = kubeapi.request("PUT", "/apis/crd.antrea.io/v1beta1/ippools/p", stored | {"status": {}, "spec": {"a": 2}})
    assert (stored["spec"], stored["status"]) == ({"a": 2}, {"b": 1})
    assert stored["metadata"]["generation"] == 2
    stored["metadata"].pop("resourceVersion")
    with refused(422):
        kubeapi.request("PUT", "/apis/crd.antrea.io/v1beta1/ippools/p", stored)
    nad = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "spec": {}}
    nad |= {"metadata": {"name": "n", "namespace": "default"}}
    kubeapi.create(nad)
    with refused(404):
        kubeapi.patch(nad, {"status": {}}, "/status")


def test_three_kinds_of_patch(kubeapi: KubeApiProcess) -> None:
    kubeapi.create(pod("a"))

    def patch(kind: str, body: Any, path: str = f"{PODS}/a/status") -> Any:
        return kubeapi.request("PATCH", path, body, f"application/{kind}+json")

    first = {"type": "A", "status": "True"}
    patch("strategic-merge-patch", {"status": {"conditions": [first]}})
    both = patch("strategic-merge-patch", {"status": {"conditions": [{"type": "B", "status": "True"}]}})
    assert [item["type"] for item in both["status"]["conditions"]] == ["A", "B"]
    changed = patch("strategic-merge-patch", {"status": {"conditions": [{"type": "A", "status": "False"}]}})
    assert [item["status"] for item in changed["status"]["conditions"]] == ["False", "True"]
    only = patch("merge-patch", {"status": {"conditions": [first]}})
    assert only["status"]["conditions"] == [first]
    none = patch("json-patch", [{"op": "remove", "path": "/status/conditions/0"}])
    assert none["status"]["conditions"] == []
    with refused(422):
        patch("json-patch", [{"op": "remove", "path": "/status/nothing"}])
    with refused(400):
        patch("json-patch", {"status": {}})
    kubeapi.create(pool())
    with refused(415):
        patch("strategic-merge-patch", {"spec": {}}, "/apis/crd.antrea.io/v1beta1/ippools/p")
    with refused(415):
        kubeapi.request("PATCH", f"{PODS}/a", {}, "application/json")


def test_finalizers_and_the_grace_of_pods(kubeapi: KubeApiProcess) -> None:
    kubeapi.create(pool() | {"metadata": {"name": "p", "finalizers": ["a/b"]}})
    assert kubeapi.delete(pool())["metadata"]["deletionTimestamp"]
    assert kubeapi.get(pool())["metadata"]["finalizers"] == ["a/b"]
    kubeapi.patch(pool(), {"metadata": {"finalizers": None}})
    with refused(404):
        kubeapi.get(pool())
    scheduled = pod("a") | {"spec": {"nodeName": "n"}}
    kubeapi.create(scheduled)
    going = kubeapi.delete(scheduled, grace=30)["metadata"]
    assert (going["deletionGracePeriodSeconds"], "deletionTimestamp" in going) == (30, True)
    assert kubeapi.patch(scheduled, {"metadata": {"labels": {"a": "b"}}})["metadata"]["deletionTimestamp"]
    kubeapi.delete(scheduled, grace=0)
    with refused(404):
        kubeapi.get(scheduled)


def test_lists_have_selectors_and_pages(kubeapi: KubeApiProcess) -> None:
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1")):
        kubeapi.create(pod(name, labels={"app": name}) | {"spec": {"nodeName": node}})

    def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in kubeapi.items(f"/api/v1/pods?{query}")]

    assert names("fieldSelector=spec.nodeName%3Dn1") == ["a", "c"]
    assert names("fieldSelector=spec.nodeName!%3Dn1") == ["b"]
    assert names("fieldSelector=metadata.name%3Db,metadata.namespace%3Ddefault") == ["b"]
    assert names("labelSelector=app%3Da") == ["a"]
    assert names("labelSelector=app,app!%3Da") == ["b", "c"]
    assert names("labelSelector=!app") == []
    with refused(400):
        names("fieldSelector=spec.hostNetwork%3Dtrue")
    page = kubeapi.request("GET", "/api/v1/pods?limit=2")
    assert "kind" not in page["items"][0]  # as a real one
    kubeapi.create(pod("z"))
    rest = kubeapi.request("GET", f"/api/v1/pods?limit=2&continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in (*page["items"], *rest["items"])] == ["a", "b", "c"]
    assert rest["metadata"] == {"resourceVersion": page["metadata"]["resourceVersion"]}
    page = kubeapi.request("GET", "/api/v1/pods?limit=2")
    kubeapi.compact()
    with refused(410, "Expired"):
        kubeapi.request("GET", f"/api/v1/pods?continue={page['metadata']['continue']}")


def test_a_watch_replays_follows_and_keeps_to_its_selector(kubeapi: KubeApiProcess, watch: Any) -> None:
    start = kubeapi.create(pod("old"))["metadata"]["resourceVersion"]
    kubeapi.create(pod("a"))
    lines = watch(f"/api/v1/pods?watch=true&resourceVersion={start}")
    assert lines.named() == ("ADDED", "a")
    labelled = watch(f"/api/v1/pods?watch=true&resourceVersion={start}&labelSelector=x%3D1")
    kubeapi.patch(pod("a"), {"metadata": {"labels": {"x": "1"}}})
    assert lines.named() == ("MODIFIED", "a")
    assert labelled.named() == ("ADDED", "a")
    kubeapi.patch(pod("a"), {"metadata": {"labels": {"x": "2"}}})
    assert labelled.named() == ("DELETED", "a")
    assert lines.named() == ("MODIFIED", "a")
    kubeapi.delete(pod("a"))
    kind, gone = lines.next()
    assert (kind, gone["kind"], gone["metadata"]["labels"]) == ("DELETED", "Pod", {"x": "2"})
    fresh = watch("/api/v1/pods?watch=true")
    assert fresh.named() == ("ADDED", "old")


def test_a_watch_ends_by_time_by_410_and_by_a_cut(kubeapi: KubeApiProcess, watch: Any) -> None:
    start = kubeapi.create(pod("old"))["metadata"]["resourceVersion"]
    assert watch(f"/api/v1/pods?watch=true&resourceVersion={start}&timeoutSeconds=0.01").answer.read() == b""
    kubeapi.create(pod("a"))
    kubeapi.compact()
    kind, status = watch(f"/api/v1/pods?watch=true&resourceVersion={start}").next()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    lines = watch(f"/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion={int(start) + 1}")
    kind, mark = lines.next(bookmarks=True)
    assert (kind, mark["kind"]) == ("BOOKMARK", "Pod")
    assert int(mark["metadata"]["resourceVersion"]) > int(start)
    assert kubeapi.cut_watches() == 1
    with pytest.raises(http.client.IncompleteRead):
        lines.answer.read()


def test_what_a_token_may_do(kubeapi: KubeApiProcess) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]
    kubeapi.add_token("t", rules)
    kubeapi.create(pod("a"))
    kubeapi.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})

    def ask(method: str, path: str, token: str = "t") -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        body = b"{}" if method != "GET" else None
        try:
            with urllib.request.urlopen(
                urllib.request.Request(kubeapi.url + path, body, headers, method=method), timeout=20
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code

    assert ask("GET", "/api/v1/pods") == 200
    assert ask("GET", f"{PODS}/a") == 200
    assert ask("GET", "/api/v1/pods?watch=true") == 403
    assert ask("PATCH", f"{PODS}/a") == 403
    assert ask("PATCH", f"{PODS}/a/status") == 200
    assert ask("GET", NADS) == 403
    assert ask("GET", "/api/v1/nodes/mine") == 200
    assert ask("GET", "/api/v1/nodes/other") == 403
    assert ask("GET", "/api/v1/pods", "unknown") == 401
    assert ask("GET", "/apis") == 200


def test_a_review_of_ones_own_rights(kubeapi: KubeApiProcess) -> None:
    kubeapi.add_token("t", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("get", True), ("patch", False)):
        body = json.dumps({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods"}}}).encode()
        headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(kubeapi.url + path, body, headers), timeout=20) as answer:
            assert json.load(answer)["status"]["allowed"] is allowed


def test_a_custom_resource_is_pruned_completed_and_validated(kubeapi: KubeApiProcess) -> None:
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
        kubeapi.create(widget("a"))
    kubeapi.create(crd)
    try:
        wanted = {"items": [{"size": 2, "extra": 1}], "port": "http", "free": {"x": 1}, "map": {"k": "v"}, "gone": 1}
        stored = kubeapi.create(widget("a", **wanted))
        kept = {"items": [{"size": 2}], "port": "http", "free": {"x": 1}, "map": {"k": "v"}, "mode": "plain"}
        assert stored["spec"] == kept
        assert "unknown" not in stored
        assert stored["metadata"]["labels"] == {"kept": "yes"}
        bad: list[dict[str, Any]] = [{"items": [{}]}, {"items": [{"size": 0}]}, {"mode": "odd"}, {"port": 1.5}]
        for spec in bad:
            with refused(422, "Invalid"):
                kubeapi.create(widget("b", **spec))
    finally:
        kubeapi.delete(crd)
    with refused(404):
        kubeapi.get(widget("a"))


def test_an_event_is_checked(kubeapi: KubeApiProcess) -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}}
    with refused(422):
        kubeapi.create(event | {"involvedObject": {"namespace": "other"}})
    with refused(422):
        kubeapi.create(event | {"involvedObject": {"namespace": "default"}, "message": "x" * 1025})
    kubeapi.create(event | {"involvedObject": {"namespace": "default"}, "message": "x" * 1024})


def test_faults_come_once_and_where_they_were_asked_for(kubeapi: KubeApiProcess) -> None:
    kubeapi.create(pod("a"))
    kubeapi.fail(kind="status", status=503, count=2, method="GET", path="/pods/a")
    kubeapi.items("/api/v1/pods")
    for _ in range(2):
        with refused(503):
            kubeapi.get(pod("a"))
    assert kubeapi.get(pod("a"))
    kubeapi.outage(True)
    with pytest.raises(OSError, match="refused"):
        kubeapi.get(pod("a"))
    kubeapi.outage(False)
    kubeapi.forget_requests()
    assert kubeapi.get(pod("a"))
    (asked,) = kubeapi.requests()
    assert (asked["verb"], asked["resource"], asked["status"]) == ("get", "pods", 200)
