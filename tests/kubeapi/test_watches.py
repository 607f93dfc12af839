"""Lists and watches."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from secnet_testing.kubeapi.api_server import ApiServer

from .helpers import NADS, Lines, pod, refused


@pytest.fixture
def watch(api: ApiServer) -> Iterator[Any]:
    opened: list[Lines] = []

    def start(path: str) -> Lines:
        opened.append(Lines(api, path))
        return opened[-1]

    yield start
    for lines in opened:
        lines.answer.close()


def test_lists_have_selectors_and_pages(api: ApiServer) -> None:
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1")):
        api.create(pod(name, node, labels={"app": name}))

    def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in api.items(f"/api/v1/pods?{query}")]

    assert names("fieldSelector=spec.nodeName%3Dn1") == ["a", "c"]
    assert names("fieldSelector=spec.nodeName!%3Dn1") == ["b"]
    assert names("fieldSelector=metadata.name%3Db,metadata.namespace%3Ddefault") == ["b"]
    assert names("labelSelector=app%3Da") == ["a"]
    assert names("labelSelector=app,app!%3Da") == ["b", "c"]
    assert names("labelSelector=!app") == []
    assert names("fieldSelector=spec.hostNetwork%3Dfalse,spec.restartPolicy%3DAlways") == ["a", "b", "c"]
    with refused(400):
        names("fieldSelector=spec.unknown%3Dtrue")
    page = api.request("GET", "/api/v1/pods?limit=2")
    assert "kind" not in page["items"][0]  # as a real one
    api.create(pod("z"))
    rest = api.request("GET", f"/api/v1/pods?limit=2&continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in (*page["items"], *rest["items"])] == ["a", "b", "c"]
    assert rest["metadata"] == {"resourceVersion": page["metadata"]["resourceVersion"]}
    page = api.request("GET", "/api/v1/pods?limit=2")
    api.compact()
    with refused(410, "Expired"):
        api.request("GET", f"/api/v1/pods?continue={page['metadata']['continue']}")


def test_the_slices_of_a_driver_on_a_node_are_selected(api: ApiServer) -> None:
    slices = "/apis/resource.k8s.io/v1/resourceslices"
    for name, node, driver in (("a", "n1", "d1.example"), ("b", "n1", "d2.example"), ("c", "n2", "d1.example")):
        pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
        device = {"name": "dev", "attributes": {"sn.example/size": {"int": 1}, "sn.example/kind": {"string": "x"}}}
        spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": [device]}
        obj = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": name}, "spec": spec}
        assert api.create(obj)["spec"]["devices"] == [device]
    found = api.items(f"{slices}?fieldSelector=spec.nodeName%3Dn1,spec.driver%3Dd1.example")
    assert [item["metadata"]["name"] for item in found] == ["a"]


def test_a_watch_replays_follows_and_keeps_to_its_selector(api: ApiServer, watch: Any) -> None:
    start = api.create(pod("old"))["metadata"]["resourceVersion"]
    api.create(pod("a"))
    lines = watch(f"/api/v1/pods?watch=true&resourceVersion={start}")
    assert lines.named() == ("ADDED", "a")
    labelled = watch(f"/api/v1/pods?watch=true&resourceVersion={start}&labelSelector=x%3D1")
    api.patch(pod("a"), {"metadata": {"labels": {"x": "1"}}})
    assert lines.named() == ("MODIFIED", "a")
    assert labelled.named() == ("ADDED", "a")
    api.patch(pod("a"), {"metadata": {"labels": {"x": "2"}}})
    assert labelled.named() == ("DELETED", "a")
    assert lines.named() == ("MODIFIED", "a")
    api.delete(pod("a"))
    assert lines.named() == ("MODIFIED", "a")  # as being deleted
    kind, gone = lines.next()
    assert (kind, gone["kind"], gone["metadata"]["labels"]) == ("DELETED", "Pod", {"x": "2"})
    fresh = watch("/api/v1/pods?watch=true&resourceVersion=0")
    assert fresh.named() == ("ADDED", "old")


def test_a_watch_ends_by_its_time_with_a_bookmark_before(api: ApiServer, watch: Any) -> None:
    start = api.create(pod("old"))["metadata"]["resourceVersion"]
    lines = watch(f"/api/v1/pods?watch=true&resourceVersion={start}&allowWatchBookmarks=true&timeoutSeconds=3")
    api.create(pod("other", labels={"a": "b"}))
    assert lines.named() == ("ADDED", "other")
    kind, mark = lines.next(bookmarks=True)
    assert (kind, mark["kind"]) == ("BOOKMARK", "Pod")
    assert int(mark["metadata"]["resourceVersion"]) > int(start)
    assert lines.next() == ("END", {})


def test_a_watch_of_the_forgotten_past_is_expired(api: ApiServer, watch: Any) -> None:
    api.create(pod("old"))
    kind, status = watch(f"{NADS}?watch=true&resourceVersion=1").next()
    assert (kind, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")


def test_versions_and_tokens_that_no_server_gave(api: ApiServer, watch: Any) -> None:
    with refused(504, "Timeout"):
        api.request("GET", "/api/v1/pods?resourceVersion=99999999")
    with refused(400, "BadRequest"):
        api.request("GET", "/api/v1/pods?limit=1&continue=abc")
    for query, code in (("timeoutSeconds=0.5", 400), ("resourceVersion=abc", 500)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            watch(f"/api/v1/pods?watch=true&{query}")
        with caught.value:
            assert caught.value.code == code
