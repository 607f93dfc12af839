"""The source of sandboxes that asks the runtime."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from secnet.agent.model.pod import NETWORKS_ANNOTATION
from secnet.agent.sandboxes.cri import CriSandboxes, RuntimeClient

from .conftest import Server


def pod(uid: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": f"web-{uid}", "uid": uid}, "spec": {}}


def test_one_look_at_all_pods_is_one_call(server: Server, client: RuntimeClient) -> None:
    """Also with an answer of 11 MB: gRPC takes 4 by itself."""
    server.uids = [str(number) for number in range(110)]
    now = [0.0]
    with RuntimeClient(client.socket, timeout=60) as patient:
        source = CriSandboxes(patient, keep=0.25, clock=lambda: now[0])
        pods = [pod(uid) for uid in server.uids]
        first = [source.fingerprint(each) for each in pods]
        assert server.calls == ["ListPodSandbox"]
        assert len(set(first)) == 110
        assert None not in first
        server.uids = server.uids[1:]
        now[0] = 0.2
        assert [source.fingerprint(each) for each in pods] == first
        now[0] = 0.3
        assert [source.fingerprint(each) for each in pods] == [None, *first[1:]]
        assert server.calls == ["ListPodSandbox"] * 2


def test_one_look_at_all_pods_waits_once_for_a_runtime_that_fails(server: Server, client: RuntimeClient) -> None:
    server.uids = ["1", "2"]
    now = [0.0]
    source = CriSandboxes(client, keep=0.25, clock=lambda: now[0])
    first = [source.fingerprint(pod("1")), source.fingerprint(pod("2"))]
    server.fault = lambda context: context.abort(grpc.StatusCode.INTERNAL, "no")
    now[0] = 1.0
    assert [source.fingerprint(pod("1")), source.fingerprint(pod("2"))] == first
    assert server.calls == ["ListPodSandbox"] * 2
    assert source.living() is None
    server.fault = None
    now[0] = 2.0
    assert source.refresh()
    assert source.living() == {"sandbox-1", "sandbox-2"}


@pytest.mark.parametrize("now", [True, False])
def test_what_a_garbled_list_lacks_has_not_ended(server: Server, client: RuntimeClient, now: bool) -> None:
    """It ends living Pods to take it for a proof (rule R6)."""
    time = [0.0]
    source = CriSandboxes(client, keep=0.25, clock=lambda: time[0])
    server.uids = ["1"]
    assert source.has_ended("sandbox-2", now=now)
    server.uids, server.ids, time[0] = [], [""], 1.0
    assert not source.has_ended("sandbox-1", now=now)
    assert source.living() is None
    server.ids, time[0] = [], 2.0
    assert source.has_ended("sandbox-1", now=now)


@pytest.mark.parametrize(("annotation", "asked"), [("blue", True), (" [", True), (" \n", False), (None, False)])
def test_what_its_pod_asked_for_is_known_of_the_sandbox_itself(
    server: Server, client: RuntimeClient, annotation: str | None, asked: bool
) -> None:
    """The kubelet gave the runtime the annotations of that moment; they may be others by now."""
    server.uids = ["1"]
    server.annotations = {} if annotation is None else {NETWORKS_ANNOTATION: annotation}
    (found,) = client.sandboxes()
    assert found.asked is asked


def test_the_problem_is_logged_once(server: Server, client: RuntimeClient, caplog: pytest.LogCaptureFixture) -> None:
    source = CriSandboxes(client)
    server.fault = lambda context: context.abort(grpc.StatusCode.INTERNAL, "no")
    with caplog.at_level("INFO"):
        assert [source.refresh(), source.refresh()] == [False, False]
        server.fault = None
        assert [source.refresh(), source.refresh()] == [True, True]
    texts = [record.getMessage() for record in caplog.records if record.name.startswith("secnet")]
    assert len(texts) == 2
    assert "its last answer is kept" in texts[0]
    assert "answers again" in texts[1]
