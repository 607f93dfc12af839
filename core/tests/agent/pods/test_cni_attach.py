"""The agent as CNI calls see it: Pods that cannot be looked up, and single networks that no one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from secnet.agent.cni.interface import SandboxCall
from secnet.agent.model.record import Origin, Phase
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.pods.cni_attach import NodeAttacher
from secnet.agent.sandboxes.cni_cache import CniSandboxCache
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import Call, NotReady, ObjectNotFound, PodRef, Unavailable
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Rig, Script, make_worker

SANDBOX = SandboxCall(
    container_id="c1", netns="/none", ifname="eth0", pod=PodRef(namespace="kube-system", name="dns", uid="u1")
)


class Cluster:
    """A cluster whose API server answers with an error only."""

    error: Exception = Unavailable("the API server cannot be reached")

    def get(self, kind: str, name: str, namespace: str) -> Any:
        raise self.error


def _attacher(
    folder: Path, cluster: Any = None, ended: Callable[[], None] = lambda: None, **others: Any
) -> NodeAttacher:
    """Over stand-ins, as nothing of what they stand for is reached or must fail here."""

    def fail(*args: Any) -> None:
        ended()
        raise Unavailable("the switch does not answer")

    parts: dict[str, Any] = {
        "controller": SimpleNamespace(hold=lambda key, call: threading.Lock()),
        "cni_sandboxes": None,
        "sandboxes": None,
        "registry": None,
        "asked": None,
        "checks": SimpleNamespace(check=lambda records, beat: None),
        **others,
    }
    journal = Journal(folder)
    rig = Rig(journal=journal, pipeline=SimpleNamespace(detach=fail), script=Script())  # type: ignore[arg-type]
    return NodeAttacher(
        cluster=cluster,
        pods=PodTable("node-1"),
        journal=journal,
        worker=make_worker(rig),
        deadline=5.0,
        **parts,
    )


def test_who_is_refused_hears_why(tmp_path: Path) -> None:
    recovering = SimpleNamespace(recovered=threading.Event())
    said: list[Any] = [None]
    attacher = _attacher(tmp_path, Cluster(), controller=recovering, refusal=lambda: said[0])
    found = attacher.status()
    assert found is not None
    assert "taking up" in found.message
    said[0] = NotReady("is another machine's").info
    assert attacher.status() == said[0]
    recovering.recovered.set()
    assert attacher.status() is None


@pytest.mark.parametrize("error", [Unavailable("no answer"), ObjectNotFound("no such Pod")])
def test_a_pod_that_cannot_be_looked_up_passes_where_it_must_not_wait(tmp_path: Path, error: Exception) -> None:
    cluster = Cluster()
    cluster.error = error
    attacher = _attacher(tmp_path, cluster)
    with pytest.raises(type(error)):
        attacher.attach_pod(SANDBOX, threading.Event())
    may_pass = SandboxCall(container_id="c1", netns="/none", ifname="eth0", pod=SANDBOX.pod, may_pass=True)
    assert attacher.attach_pod(may_pass, threading.Event()) == ()


def test_it_says_that_it_lives_before_each_network_that_it_ends(tmp_path: Path) -> None:
    seen: list[str] = []
    for ifname in ("net1", "net2"):
        Journal(tmp_path).write(record(ifname, phase=Phase.PLANNED, origin=Origin.CNI))
    attacher = _attacher(tmp_path, ended=lambda: seen.append("end"))
    attacher.resync(lambda: seen.append("beat"))
    assert seen == ["beat", "end"] * 2


def test_an_add_just_before_a_del_does_not_bring_the_sandbox_back(tmp_path: Path) -> None:
    """It had the Pod until the DEL gets it, and told of the sandbox once more."""
    journal, sandboxes = Journal(tmp_path), CniSandboxCache(None)  # type: ignore[arg-type]  # no one else is asked
    journal.write(record())
    pod = {"metadata": {"namespace": POD.namespace, "name": POD.name, "uid": POD.uid}}
    sandbox = Sandbox(container_id="c1", netns=record().attachment.request.netns)
    calls: list[str] = []

    @contextmanager
    def hold(key: Any, call: Call) -> Iterator[None]:
        sandboxes.register(pod, sandbox)
        yield

    def detach(container_id: str) -> set[Any]:
        calls.append(container_id)
        assert sandboxes.pod_of(container_id) is None
        return set()

    parts: dict[str, Any] = dict.fromkeys(("cluster", "pods", "worker", "registry", "checks", "asked"))
    controller = SimpleNamespace(hold=hold, enqueue=lambda key: None)
    attacher = NodeAttacher(
        **parts,
        controller=controller,  # type: ignore[arg-type]
        sandboxes=SimpleNamespace(detach=detach),  # type: ignore[arg-type]
        cni_sandboxes=sandboxes,
        journal=journal,
        deadline=5.0,
    )
    attacher.detach_sandbox("c1")
    assert calls == ["c1"]
    assert sandboxes.pod_of("c1") is None
