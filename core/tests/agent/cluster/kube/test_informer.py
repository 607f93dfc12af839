"""A watch of several kinds at once."""

from __future__ import annotations

import threading

import pytest
from secnet.agent.cluster.interface import Event
from secnet.agent.cluster.kube import KubeCluster
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import pod, until
from ..kube_world import NODE, on_node, watched


def test_only_the_pods_of_this_node(cluster: KubeCluster, api: KubeApiProcess) -> None:
    api.create(on_node(pod("mine")))
    api.create(on_node(pod("theirs"), "elsewhere"))
    api.create(pod("nobodys"))
    recorder = watched(cluster, api, "Pod")
    api.create(on_node(pod("theirs-too"), "elsewhere"))
    api.bind(pod("nobodys"), NODE)
    recorder.wait_for("ADDED", "nobodys")
    assert recorder.seen == [("ADDED", "mine"), ("ADDED", "nobodys")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # that is what this is about
def test_a_watch_whose_thread_ended_is_reported(cluster: KubeCluster, api: KubeApiProcess) -> None:
    def fall(event: Event) -> None:
        raise SystemExit  # what no handler should do, and ends a thread in silence

    watch = cluster.watch(["Pod", "NetworkAttachmentDefinition"], fall)
    assert watch.synced.wait(20)
    assert cluster.unreachable() == ""
    api.create(on_node(pod("a")))
    until(cluster.unreachable, "the thread's end")
    assert cluster.unreachable().startswith("the watch of Pod ended")
    watch.close()
    assert cluster.unreachable() == ""


def test_a_handler_closes_its_own_watch(cluster: KubeCluster, api: KubeApiProcess) -> None:
    api.create(on_node(pod("a")))
    closed, ready = threading.Event(), threading.Event()

    def handler(event: object) -> None:
        ready.wait(20)
        watch.close()
        closed.set()

    watch = cluster.watch(cluster.watched, handler)
    ready.set()
    assert closed.wait(20)
    until(lambda: not any(t.name.startswith("watch-") for t in threading.enumerate()), "the end of the threads")
