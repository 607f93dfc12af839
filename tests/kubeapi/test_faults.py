"""Faults of the double: a real API server has none at request."""

from __future__ import annotations

import http.client

import pytest
from secnet_testing.kubeapi.process import KubeApiProcess

from .helpers import Lines, pod, refused


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


def test_the_past_is_forgotten_and_watches_are_cut(kubeapi: KubeApiProcess) -> None:
    start = kubeapi.create(pod("old"))["metadata"]["resourceVersion"]
    kubeapi.create(pod("a"))
    kubeapi.compact()
    late = Lines(kubeapi, f"/api/v1/pods?watch=true&resourceVersion={start}")
    kind, status = late.next()
    late.answer.close()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    lines = Lines(kubeapi, f"/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion={int(start) + 1}")
    kind, mark = lines.next(bookmarks=True)
    assert (kind, mark["kind"]) == ("BOOKMARK", "Pod")
    assert int(mark["metadata"]["resourceVersion"]) > int(start)
    assert kubeapi.cut_watches() == 1
    with pytest.raises(http.client.IncompleteRead):
        lines.answer.read()
    lines.answer.close()


def test_no_change_is_lost_between_bookmarks() -> None:
    """A bookmark says that all before it was sent: one that falls due together with a change must not pass it over."""
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
