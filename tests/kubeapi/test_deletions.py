"""How objects end, as a watch sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from secnet_testing.kubeapi.api_server import ApiServer

from .helpers import PODS, POOLS, pod, pool, refused

NOW = {"gracePeriodSeconds": 0}
Seen = list[tuple[str, int | None, int | None]]


def watched(api: ApiServer, act: Callable[[], object], path: str = PODS) -> Seen:
    """What a watch sees: the type of each event, the grace period and the generation of its object."""
    start = api.request("GET", path)["metadata"]["resourceVersion"]
    act()
    with api.open(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1") as answer:
        events = [json.loads(line) for line in answer.read().splitlines()]
    for event in events:
        meta = event["object"]["metadata"]
        assert ("deletionTimestamp" in meta) == ("deletionGracePeriodSeconds" in meta)
    metas = [(event["type"], event["object"]["metadata"]) for event in events]
    return [(kind, meta.get("deletionGracePeriodSeconds"), meta.get("generation")) for kind, meta in metas]


@pytest.mark.parametrize("node", ["", "n"])
@pytest.mark.parametrize("phase", ["", "Running", "Succeeded", "Failed"])
@pytest.mark.parametrize("options", [None, NOW])
def test_a_pod_is_marked_before_it_is_gone(api: ApiServer, node: str, phase: str, options: Any) -> None:
    """Only a Pod on a node that has not ended waits for its kubelet, and only for as long as who deletes it allows."""
    live = api.create(pod("a", node))
    if phase:
        api.patch(live, {"status": {"phase": phase}}, "/status")
    seen = watched(api, lambda: api.request("DELETE", f"{PODS}/a", options))
    if node and phase in ("", "Running") and options is None:
        assert seen == [("MODIFIED", 30, 2)]
        seen = watched(api, lambda: api.request("DELETE", f"{PODS}/a", NOW))
    assert seen == [("MODIFIED", 0, 2), ("DELETED", 0, 2)]


def test_a_grace_period_only_becomes_shorter(api: ApiServer) -> None:
    live = api.create(pod("a", "n"))

    def delete(seconds: int | None) -> Callable[[], object]:
        return lambda: api.request("DELETE", f"{PODS}/a", {} if seconds is None else {"gracePeriodSeconds": seconds})

    assert watched(api, delete(None)) == [("MODIFIED", 30, 2)]
    assert watched(api, delete(None)) == []
    assert watched(api, delete(40)) == []
    assert watched(api, delete(5)) == [("MODIFIED", 5, 2)]
    assert watched(api, lambda: api.patch(live, {"metadata": {"labels": {"a": "b"}}})) == [("MODIFIED", 5, 2)]
    assert watched(api, delete(0)) == [("MODIFIED", 0, 2), ("DELETED", 0, 2)]
    with refused(404):
        api.get(live)


def test_a_finalizer_holds_an_object(api: ApiServer) -> None:
    held = pool(finalizers=["a/b"])
    api.create(held)
    assert watched(api, lambda: api.delete(held), POOLS) == [("MODIFIED", 0, 2)]
    assert watched(api, lambda: api.delete(held), POOLS) == []
    assert api.get(held)["metadata"]["finalizers"] == ["a/b"]
    with refused(422, "Invalid"):
        api.patch(held, {"metadata": {"finalizers": ["a/b", "c/d"]}})
    assert watched(api, lambda: api.patch(held, {"metadata": {"finalizers": None}}), POOLS) == [("DELETED", 0, 2)]
    with refused(404):
        api.get(held)


def test_a_pod_is_held_by_its_finalizers_and_its_kubelet(api: ApiServer) -> None:
    live = api.create(pod("a", "n", finalizers=["a/b"]))
    assert watched(api, lambda: api.request("DELETE", f"{PODS}/a")) == [("MODIFIED", 30, 2)]
    assert watched(api, lambda: api.patch(live, {"metadata": {"finalizers": None}})) == [("MODIFIED", 30, 2)]
    assert watched(api, lambda: api.delete(live)) == [("MODIFIED", 0, 2), ("DELETED", 0, 2)]
    live = api.create(pod("b", "n", finalizers=["a/b"]))
    assert watched(api, lambda: api.delete(live)) == [("MODIFIED", 0, 2)]
    assert watched(api, lambda: api.patch(live, {"metadata": {"finalizers": None}})) == [("DELETED", 0, 2)]


def test_what_is_no_pod_is_gone_at_once(api: ApiServer) -> None:
    live = api.create(pool())
    with refused(409, "Conflict"):
        api.request("DELETE", f"{POOLS}/p", {"preconditions": {"uid": "another"}})
    answers: list[dict[str, Any]] = []
    assert watched(api, lambda: answers.append(api.delete(live)), POOLS) == [("DELETED", None, 1)]
    assert (answers[0]["kind"], answers[0]["status"]) == ("Status", "Success")
    assert answers[0]["details"]["uid"] == live["metadata"]["uid"]
