"""Pods that wait for objects: who is woken by what, and which objects are watched meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from secnet.agent.cluster.kinds import with_plugins
from secnet.agent.cluster.kube import RULES, KubeCluster, Pace
from secnet.agent.model.pod import PodKey
from secnet.agent.model.report import PodReport, SyncResult
from secnet.agent.pods._waiters import Waiters
from secnet.agent.pods.controller import Controller
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import CLUSTER_SCOPE, Busy, ErrorInfo, NetworkRef, ObjectKind, ObjectRef, PodRef
from secnet_testing.kubeapi.definitions import definition
from secnet_testing.kubeapi.process import KubeApiProcess

NODE, TOKEN = "sn-node", "agent-token"
A, B = ("default", "a"), ("default", "b")
POOL = ObjectKind(kind="IPPool", group="crd.antrea.io", version="v1beta1", plural="ippools", scope=CLUSTER_SCOPE)
LANE = ObjectKind(kind="Lane", group="roads.example.com", version="v1", plural="lanes")


def _ref(name: str) -> ObjectRef:
    return ObjectRef(group="crd.antrea.io", kind="IPPool", name=name)


def _busy(*names: str, message: str = "no free address") -> list[ErrorInfo]:
    return [Busy(message, waits_for=tuple(map(_ref, names))).info]


def _pool(name: str, used: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": {"name": name},
        "spec": {
            "ipRanges": [{"start": "10.0.0.2", "end": "10.0.0.2"}],
            "subnetInfo": {"gateway": "10.0.0.1", "prefixLength": 24},
        },
        "status": {"ipAddresses": _entries(used)},
    }


def _entries(used: int) -> list[dict[str, Any]]:
    owner = {"pod": {"name": "x", "namespace": "default", "containerID": "c"}}
    return [{"ipAddress": f"10.0.0.{2 + n}", "phase": "Allocated", "owner": owner} for n in range(used)]


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within 20 s"
        time.sleep(0.01)


class Woken:
    """The Pods that were woken, in order."""

    def __init__(self) -> None:
        self.keys: list[PodKey] = []
        self.delays: list[float] = []
        self.versions: list[int] = []  # that were seen

    def __call__(self, key: PodKey, delay: float) -> None:
        self.keys.append(key)
        self.delays.append(delay)


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def index(woken: Woken) -> Waiters:
    """Without watches of its own, as with manifests."""
    return Waiters(SimpleNamespace(watched=("IPPool",)), (POOL,), woken)  # type: ignore[arg-type]


def test_a_pool_whose_name_begins_alike_wakes_no_one(index: Waiters, woken: Woken) -> None:
    index.note(A, _busy("vlan10", message="IPPool vlan1 and IPPool vlan10 are full"), 1)
    index.changed(_ref("vlan1"), 5)
    assert woken.keys == []
    index.changed(_ref("vlan10"), 6)
    assert woken.keys == [A]


def test_a_waiter_of_a_third_party_backend_is_woken_whatever_its_message_says(index: Waiters, woken: Woken) -> None:
    index.note(A, _busy("red", message="Adressen sind alle"), 1)
    index.changed(_ref("red"), 5)
    assert woken.keys == [A]


def test_a_pod_without_an_error_waits_no_more(index: Waiters, woken: Woken) -> None:
    index.note(A, _busy("red"), 1)
    index.note(B, _busy("red"), 1)
    index.note(A, [], 2)
    index.changed(_ref("red"), 5)
    assert woken.keys == [B]


def test_a_release_during_the_attempt_wakes_at_its_end(index: Waiters, woken: Woken) -> None:
    index.changed(_ref("red"), 5)
    index.note(A, _busy("red"), 4)
    assert woken.keys == [A]
    index.note(A, _busy("red"), 5)
    assert woken.keys == [A], "this attempt has read the pool as it is"


def test_who_is_woken_in_vain_again_and_again_slows_down_and_still_comes_within_two_seconds(
    index: Waiters, woken: Woken
) -> None:
    for version in range(2, 20):
        index.note(A, _busy("red"), version - 1)
        index.changed(_ref("red"), version)
    assert woken.delays[0] <= 0.2 < 0.75 <= woken.delays[-1] < 2
    index.note(A, [], 20)
    index.note(A, _busy("red"), 20)
    index.changed(_ref("red"), 21)
    assert woken.delays[-1] <= 0.2


@pytest.fixture
def api(kubeapi: KubeApiProcess) -> KubeApiProcess:
    kubeapi.add_token(TOKEN, RULES)
    return kubeapi


@pytest.fixture
def cluster(api: KubeApiProcess, tmp_path: Path) -> Iterator[KubeCluster]:
    """With the rights of the agent's ClusterRole and no more."""
    made = KubeCluster(api.kubeconfig(tmp_path / "kubeconfig", TOKEN), node_name=NODE, pace=Pace(backoff=(0.05, 0.2)))
    yield made
    made.close()


@pytest.fixture
def waiters(cluster: KubeCluster, woken: Woken) -> Iterator[Waiters]:
    made = Waiters(cluster, (POOL,), woken, woken.versions.append)
    yield made
    made.close()


def _fill(api: KubeApiProcess, name: str, used: int) -> int:
    """Set how many addresses are in use; returns the new resourceVersion."""
    changed = api.patch(_pool(name), {"status": {"ipAddresses": _entries(used)}}, "/status")
    return int(changed["metadata"]["resourceVersion"])


def test_an_object_is_watched_while_a_pod_waits_for_it_and_no_other_is(
    waiters: Waiters, woken: Woken, api: KubeApiProcess
) -> None:
    for name in ("vlan1", "vlan10"):
        api.create(_pool(name))
    seen = _fill(api, "vlan10", 2)
    api.forget_requests()
    waiters.note(A, _busy("vlan10"), seen)
    waiters.note(B, _busy("vlan10"), seen)
    _until(lambda: api.watches == 1, "one watch for both")
    _fill(api, "vlan1", 0)
    released = _fill(api, "vlan10", 1)
    _until(lambda: len(woken.keys) == 2, "both are woken")
    assert set(woken.keys) == {A, B}
    _until(lambda: woken.versions[-1:] == [released], "the next attempt is known to be later than this change")
    waiters.note(A, _busy("vlan10"), released)
    assert len(woken.keys) == 2, "so the same change wakes no one twice"
    asked = api.requests(TOKEN)
    assert [(item["verb"], item["resource"]) for item in asked] == [("list", "ippools"), ("watch", "ippools")]
    assert all("?fieldSelector=metadata.name%3Dvlan10&" in item["path"] for item in asked)
    waiters.note(A, [], 0)
    assert waiters.watched() == {_ref("vlan10")}
    waiters.note(B, [], 0)
    assert waiters.watched() == frozenset()
    _until(lambda: api.watches == 0, "no one waits, nothing is watched")
    assert not [thread.name for thread in threading.enumerate() if thread.name == "watch-IPPool"]


def test_a_release_before_the_watch_began_is_not_missed(waiters: Waiters, woken: Woken, api: KubeApiProcess) -> None:
    api.create(_pool("red"))
    seen = _fill(api, "red", 2)
    _fill(api, "red", 1)
    waiters.note(A, _busy("red"), seen)
    _until(lambda: woken.keys == [A], "what the watch finds at its start is newer than the attempt")


def test_a_pool_that_is_created_later_wakes(waiters: Waiters, woken: Woken, api: KubeApiProcess) -> None:
    waiters.note(A, _busy("red"), 0)
    _until(lambda: api.watches == 1, "a watch of what does not exist")
    api.create(_pool("red"))
    _until(lambda: woken.keys == [A], "it exists")


def test_what_cannot_be_watched_is_left_to_the_back_off(waiters: Waiters, api: KubeApiProcess) -> None:
    pod = ObjectRef(kind="Pod", namespace="default", name="p")
    other = ObjectRef(group="acme.example", kind="IPPool", name="red")
    wanted = (pod, other, _ref("a,metadata.name!=b"), NetworkRef(namespace="default", name="n").object_ref)
    waiters.note(A, [Busy("x", waits_for=wanted).info], 0)
    assert waiters.watched() == frozenset()
    assert api.watches == 0


def test_an_object_of_a_kind_that_a_plugin_brings_is_watched_in_its_namespace(woken: Woken, tmp_path: Path) -> None:
    """On a server of its own, for definitions stay."""
    api = KubeApiProcess(bookmarks=0.1)
    try:
        api.create(definition("Lane", "lanes", LANE.group, LANE.version, namespaced=True, status=True))
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
        rule = {"apiGroups": [LANE.group], "resources": ["lanes"], "verbs": ["get", "list", "watch"]}
        api.add_token(TOKEN, [*RULES, rule])
        kubeconfig = api.kubeconfig(tmp_path / "kubeconfig", TOKEN)
        cluster = KubeCluster(kubeconfig, node_name=NODE, kinds=with_plugins([LANE]))
        waiters = Waiters(cluster, (POOL, LANE), woken)
        waiters.note(A, [Busy("closed", waits_for=(LANE.ref("fast", "other"),)).info], 0)
        _until(lambda: api.watches == 1, "a watch")
        for namespace in ("default", "other"):
            meta = {"name": "fast", "namespace": namespace}
            api.create({"apiVersion": LANE.api_version, "kind": "Lane", "metadata": meta})
            if namespace == "default":
                assert woken.keys == []
        _until(lambda: woken.keys == [A], "it exists")
        waiters.close()
        cluster.close()
    finally:
        api.stop()


class PoolUser:
    """Work for Pods as a driver with a third-party backend does it: a Pod waits while the pool is full. Nothing is attached."""

    def __init__(self, cluster: KubeCluster) -> None:
        self._cluster = cluster
        self.attempts: list[bool] = []

    def sync(self, key: PodKey, pod: Any, cancel: Any, *, verify: bool, **rest: Any) -> SyncResult:
        pool = self._cluster.get("IPPool", "red")
        full = bool(pool["status"]["ipAddresses"])
        self.attempts.append(full)
        error = _busy("red", message="exhausted")[0] if full else None
        return SyncResult(report=PodReport(pod=PodRef(namespace=key[0], name=key[1], uid="u"), error=error))

    def publish(self, *args: Any) -> tuple[()]:
        return ()

    def failing(self, matters: Callable[[ErrorInfo], bool]) -> list[PodKey]:
        return []

    def forget_absent(self) -> None: ...


def test_in_a_cluster_a_pod_that_waits_for_a_full_pool_comes_with_the_release(
    cluster: KubeCluster, api: KubeApiProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its back-off is made so long that it plays no part."""
    monkeypatch.setattr("secnet.agent.pods.controller.next_delay", lambda error, attempts: 3600.0)
    api.create(_pool("red"))
    _fill(api, "red", 1)
    user, nothing = PoolUser(cluster), SimpleNamespace(update=lambda obj: None, remove=lambda obj: None)
    controller = Controller(
        cluster=cluster,
        journal=Journal(tmp_path / "journal"),
        nads=nothing,  # type: ignore[arg-type]
        object_problems=nothing,  # type: ignore[arg-type]
        pods=PodTable(NODE),
        sync=user,  # type: ignore[arg-type]
        source=nothing,  # type: ignore[arg-type]
        publisher=user,  # type: ignore[arg-type]
        workers=1,
        waking_kinds=(POOL,),
    )
    controller.start()
    try:
        _until(lambda: api.watches == 2, "Pods and NADs are watched")
        container = {"name": "c", "image": "i"}
        api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "default"},
                "spec": {"nodeName": NODE, "containers": [container]},
            }
        )
        _until(lambda: api.watches == 3 and user.attempts, "the pool is watched while the Pod waits")
        waiting = len(user.attempts)
        assert user.attempts == [True] * waiting
        _fill(api, "red", 0)
        _until(lambda: user.attempts[-1] is False, "the Pod is served")
        _until(lambda: api.watches == 2, "the watch of the pool is closed")
        assert len(user.attempts) == waiting + 1
    finally:
        assert controller.stop(10)
