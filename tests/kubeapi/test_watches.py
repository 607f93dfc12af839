"""Lists and watches of the test API server."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from secnet_testing.kubeapi.process import ADMIN, KubeApiProcess

from .helpers import pod, refused

NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PODS = "/api/v1/namespaces/default/pods"


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


def test_no_change_is_lost_between_bookmarks() -> None:
    """A bookmark says that all before it was told: one that falls due together with a change must not pass it over."""
    names = [f"p{number}" for number in range(500)]
    api = KubeApiProcess(bookmarks=0.001)
    try:
        lines = Lines(api, "/api/v1/pods?watch=true&allowWatchBookmarks=true")
        for name in names:
            api.create(pod(name))
        api.create(pod("last"))
        delivered = list(iter(lines.named, ("ADDED", "last")))
        lines.answer.close()
    finally:
        api.stop()
    assert delivered == [("ADDED", name) for name in names]
