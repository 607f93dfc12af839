"""Following an API server through everything that happens to a watch."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from secnet.agent.cluster.kube import RULES, KubeCluster, Pace
from secnet.contract import InvalidConfig
from secnet_testing.kubeapi.definitions import NAD
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import Recorder, nad, pod, until
from ..kube_world import BRISK, TOKEN, agent, lists, on_node, watched


def test_one_object_is_watched_before_it_exists_and_no_other_is(cluster: KubeCluster, api: KubeApiProcess) -> None:
    """The server selects it: nothing of other objects is sent. The namespace is its own, for one stays until the server ends."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "watched"}})
    recorder = Recorder()
    watch = cluster.watch_object("NetworkAttachmentDefinition", "a", "watched", recorder)
    assert watch.synced.wait(20)
    until(lambda: api.watches == 1, "the watch")
    api.create(nad("a"))
    api.create(nad("ab", namespace="watched"))
    api.create(nad("a", namespace="watched"))
    recorder.wait_for("ADDED", "a")
    api.delete(nad("a", namespace="watched"))
    recorder.wait_for("DELETED", "a")
    assert recorder.seen == [("ADDED", "a"), ("DELETED", "a")]
    watch.close()
    until(lambda: api.watches == 0, "its end")


@pytest.mark.parametrize("name", ["", "a,metadata.name!=b", "a/b", "A"])
def test_a_name_that_no_object_can_have_is_sent_nowhere(cluster: KubeCluster, api: KubeApiProcess, name: str) -> None:
    with pytest.raises(InvalidConfig):
        cluster.watch_object("IPPool", name, "", Recorder())
    assert api.requests(TOKEN) == []


def test_a_watch_that_is_cut_goes_on_where_it_was(cluster: KubeCluster, api: KubeApiProcess) -> None:
    api.create(on_node(pod("a")))
    recorder = watched(cluster, api, "Pod")
    for name in ("b", "c"):
        assert api.cut_watches() == 1
        api.create(on_node(pod(name)))
        recorder.wait_for("ADDED", name)
        until(lambda: api.watches == 1, "the next watch")
    assert recorder.seen == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    assert lists(api, "pods") == 1


def test_what_happened_in_an_outage_is_reported_after_it(cluster: KubeCluster, api: KubeApiProcess) -> None:
    for name in ("gone", "kept", "replaced"):
        api.create(on_node(pod(name)))
    recorder = watched(cluster, api, "Pod")
    before = next(e.object for e in recorder.events if e.object["metadata"]["name"] == "gone")
    api.outage(True)
    until(cluster.problems, "the problem")
    api.outage(False)
    api.fail(kind="drop", count=1000, path="watch=true")  # so that all of this falls into one gap
    api.delete(pod("gone"))
    api.delete(pod("replaced"))
    successor = api.create(on_node(pod("replaced")))
    api.create(on_node(pod("new")))
    api.compact()
    api.no_faults()
    recorder.wait_for("ADDED", "new")
    after = recorder.seen[3:]
    assert sorted(after) == [("ADDED", "new"), ("ADDED", "replaced"), ("DELETED", "gone"), ("DELETED", "replaced")]
    assert after.index(("DELETED", "replaced")) < after.index(("ADDED", "replaced"))
    gone = recorder.wait_for("DELETED", "gone").object
    assert int(gone["metadata"].pop("resourceVersion")) > int(before["metadata"].pop("resourceVersion"))
    assert gone == before
    assert recorder.events[-1].object["metadata"]["uid"] == successor["metadata"]["uid"] or after[-1][1] == "new"
    assert lists(api, "pods") == 2


@pytest.mark.parametrize("answered", [True, False])
def test_410_in_the_answer_and_in_the_stream(cluster: KubeCluster, api: KubeApiProcess, answered: bool) -> None:
    api.create(on_node(pod("a")))
    recorder = watched(cluster, api, "Pod")
    if answered:
        api.fail(kind="status", status=410, path="watch=true")
        api.cut_watches()
    else:
        api.create(on_node(pod("b")))
        api.fail(kind="drop", count=1000, path="watch=true")
        api.cut_watches()
        api.create(on_node(pod("c")))
        api.compact()
        api.no_faults()
    until(lambda: lists(api, "pods") == 2, "the second list")
    api.create(on_node(pod("late")))
    recorder.wait_for("ADDED", "late")
    assert len(recorder.seen) == len(set(recorder.seen))


def test_bookmarks_keep_a_quiet_watch_from_growing_old(cluster: KubeCluster, api: KubeApiProcess) -> None:
    recorder = watched(cluster, api, "Pod")
    api.create(pod("elsewhere"))  # a newer revision, of which this watch hears by a bookmark only
    newest = api.get(pod("elsewhere"))["metadata"]["resourceVersion"]
    (reflector,) = cluster._watches[0].reflectors.values()  # nothing outside shows what it would go on from
    until(lambda: reflector._version == newest, "the bookmark")
    api.compact()
    api.cut_watches()
    api.create(on_node(pod("late")))
    recorder.wait_for("ADDED", "late")
    assert lists(api, "pods") == 1


def test_a_list_of_many_pages(cluster: KubeCluster, api: KubeApiProcess) -> None:
    names = [f"n{number:04}" for number in range(501)]
    for name in names:
        api.create(nad(name))
    recorder = watched(cluster, api, "NetworkAttachmentDefinition")
    assert recorder.seen == [("ADDED", name) for name in names]
    assert lists(api, "network-attachment-definitions") == 2
    assert len(cluster.list("NetworkAttachmentDefinition")) == 501
    api.fail(kind="status", status=410, path="continue=")
    assert len(cluster.list("NetworkAttachmentDefinition")) == 501


def test_an_api_server_that_is_away_at_the_start(cluster: KubeCluster, api: KubeApiProcess) -> None:
    api.create(on_node(pod("a")))
    api.outage(True)
    recorder = Recorder()
    watch = cluster.watch(("Pod", "NetworkAttachmentDefinition"), recorder)
    until(cluster.problems, "the problem")
    (problem,) = cluster.problems()
    assert problem.source == f"API server {api.url}"
    assert f"cannot be reached since {problem.since}" in problem.message
    assert not watch.synced.is_set()
    api.outage(False)
    assert watch.synced.wait(20)
    assert recorder.seen == [("ADDED", "a")]
    assert cluster.problems() == ()


def test_a_refused_list_names_the_rule_and_is_tried_until_allowed(api: KubeApiProcess, tmp_path: Path) -> None:
    cluster = agent(api, tmp_path)
    api.add_token(TOKEN, [rule for rule in RULES if rule["resources"] != ["network-attachment-definitions"]])
    watch = cluster.watch(("Pod", "NetworkAttachmentDefinition"), Recorder())
    until(cluster.problems, "the problem")
    (problem,) = cluster.problems()
    assert problem.source == "list network-attachment-definitions"
    assert "forbidden" in problem.message
    assert 'verbs: ["list"]' in problem.hint
    assert not watch.synced.is_set()
    api.add_token(TOKEN, RULES)
    assert watch.synced.wait(20)
    assert cluster.problems() == ()
    cluster.close()


def test_a_definition_that_comes_later(tmp_path: Path) -> None:
    api = KubeApiProcess(crds=[])
    try:
        cluster = agent(api, tmp_path)
        recorder = Recorder()
        assert cluster.watch(("Pod", "NetworkAttachmentDefinition"), recorder).synced.wait(20)
        (problem,) = cluster.problems()
        assert "does not know the resource network-attachment-definitions" in problem.message
        assert "deploy/crds" in problem.hint
        assert "network-attachment-definitions" in cluster.unknown_kinds(), "the agent is not ready"
        api.create(NAD)
        api.create(nad("a"))
        recorder.wait_for("ADDED", "a")
        assert (cluster.problems(), cluster.unknown_kinds()) == ((), "")
        cluster.close()
    finally:
        api.stop()


@pytest.mark.parametrize("asked", ["watch=true", "limit="])
def test_a_watch_ends_while_the_server_says_nothing(api: KubeApiProcess, tmp_path: Path, asked: str) -> None:
    before = set(threading.enumerate())
    cluster = agent(api, tmp_path, pace=Pace(silence=3600), timeouts=(5.0, 3600.0))
    api.forget_requests()
    api.fail(kind="hang", path=asked)
    watch = cluster.watch(("Pod",), Recorder())
    until(lambda: any(asked in item["path"] for item in api.requests(TOKEN)), "the request")
    watch.close()
    assert set(threading.enumerate()) <= before
    assert cluster.problems() == ()
    cluster.close()


def test_a_watch_that_is_silent_too_long_is_restarted(api: KubeApiProcess, tmp_path: Path) -> None:
    cluster = agent(api, tmp_path, pace=Pace(silence=0.03, backoff=BRISK.backoff))  # less than between two bookmarks
    recorder = Recorder()
    assert cluster.watch(("Pod",), recorder).synced.wait(20)
    until(lambda: sum("watch=true" in item["path"] for item in api.requests(TOKEN)) >= 3, "new watches")
    api.create(on_node(pod("a")))
    recorder.wait_for("ADDED", "a")
    assert cluster.problems() == ()
    assert lists(api, "pods") == 1
    cluster.close()


def test_an_outage_is_reported_for_as_long_as_it_lasts(cluster: KubeCluster, api: KubeApiProcess) -> None:
    watched(cluster, api, "Pod")
    assert cluster.unreachable() == ""
    api.outage(True)
    until(cluster.unreachable, "the outage")
    assert cluster.unreachable().startswith(f"API server {api.url}: cannot be reached since ")
    api.outage(False)
    until(lambda: not cluster.unreachable(), "the end of it")


@pytest.mark.parametrize("silent", [False, True])
def test_an_outage_that_outlasts_every_delay_and_every_silence(
    api: KubeApiProcess, tmp_path: Path, silent: bool
) -> None:
    """Some minutes at the pace of the agent, which comes to its longest delay with the sixth attempt."""
    failed: list[str] = []

    def called(verb: str, kind: str, status: int, seconds: float) -> None:
        if status == 0:
            failed.append(kind)

    kinds = ("Pod", "NetworkAttachmentDefinition")
    pace = Pace(silence=0.1, backoff=(0.005, 0.02))
    cluster = agent(api, tmp_path, pace=pace, timeouts=(0.1, 0.1), on_call=called)
    api.create(on_node(pod("a")))
    recorder = watched(cluster, api, *kinds)
    if silent:
        os.kill(api.pid, signal.SIGSTOP)
    else:
        api.outage(True)
    try:
        until(lambda: all(failed.count(kind) >= 20 for kind in kinds), "attempts far beyond the longest delay")
        assert cluster.unreachable()
        assert recorder.seen == [("ADDED", "a")], "what cannot be seen is not taken for gone"
    finally:
        if silent:
            os.kill(api.pid, signal.SIGCONT)
        else:
            api.outage(False)
    until(lambda: not cluster.unreachable(), "the end of it")
    for name in ("b", "c"):
        api.create(on_node(pod(name)))
        recorder.wait_for("ADDED", name)
        api.cut_watches()
    assert recorder.seen == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    cluster.close()
