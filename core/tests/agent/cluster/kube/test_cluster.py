"""What the cluster behind an API server sends: how often, with which rights, and what becomes of failures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.interface import ApiReader
from secnet.agent.cluster.kube import POLICED_RULES, RULES, KubeCluster
from secnet.contract import MissingPrivilege, NotReady, ObjectNotFound, Unavailable
from secnet_testing.kubeapi.process import KubeApiProcess

from ..helpers import STATUS, Recorder, nad, pod, pool, until
from ..kube_world import TOKEN, agent, on_node

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
CONDITION = {"type": "secnet.io/SecondaryNetworksReady", "status": "True", "reason": "Attached", "message": ""}


def events(api: KubeApiProcess) -> list[dict[str, Any]]:
    return api.items("/api/v1/events")


@pytest.mark.parametrize("name", ["\ud800", "a/b", "..", "%2e", ""])
def test_a_name_that_no_object_can_have_is_not_found_without_a_request(
    cluster: KubeCluster, calls: list[tuple[str, str, int]], name: str
) -> None:
    with pytest.raises(ObjectNotFound, match="name of no object"):
        cluster.get("IPPool", name)
    assert {status for _, _, status in calls} <= {0}, "it was sent"


def test_the_typed_models_are_never_loaded(api: KubeApiProcess, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from secnet.agent.cluster.kube import KubeCluster
cluster = KubeCluster(Path(sys.argv[1]), node_name="n")
assert cluster.watch(cluster.watched, lambda event: None).synced.wait(20)
cluster.record_event(cluster.get("Pod", "a"), warning=False, reason="R", message="m")
cluster.close()
loaded = [name for name in sys.modules if name.startswith(("kubernetes.client.models.", "kubernetes.client.api."))]
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    api.create(pod("a"))
    argv = [sys.executable, "-W", "error", "-c", program, str(api.kubeconfig(tmp_path / "kubeconfig"))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(events(api)) == 1


@pytest.fixture
def reader(cluster: KubeCluster) -> Iterator[ApiReader]:
    reader = cluster.reader()
    yield reader
    reader.close()


def test_each_method_sends_what_it_says_and_the_rules_are_what_is_sent(
    cluster: KubeCluster, reader: ApiReader, api: KubeApiProcess, calls: list[tuple[str, str, int]]
) -> None:
    api.create(pool("p"))
    api.create(nad("n"))
    live = api.create(on_node(pod("a")))
    cluster.get("Pod", "a")
    cluster.get("IPPool", "p")
    cluster.get("NetworkAttachmentDefinition", "n", "default")
    cluster.patch_pod("a", "default", live["metadata"]["uid"], annotations={STATUS: "[]"}, condition=CONDITION)
    status = cluster.list("IPPool")[0] | {"status": {"ipAddresses": []}}
    cluster.update_status(status)
    assert calls == [
        ("get", "Pod", 200),
        ("get", "IPPool", 200),
        ("get", "NetworkAttachmentDefinition", 200),
        ("get", "Pod", 200),
        ("patch", "Pod", 200),
        ("list", "IPPool", 200),
        ("update", "IPPool", 200),
    ]
    assert cluster.watch(cluster.watched, Recorder()).synced.wait(20)
    assert cluster.watch_object("IPPool", "p", "", Recorder()).synced.wait(20)
    until(lambda: api.watches == 3, "the watches")
    for answer in (("create", "Event", 201), ("patch", "Event", 200)):
        cluster.record_event(live, warning=False, reason="Attached", message="net1")
        until(partial(calls.count, answer), f"{answer}")
    daemonset = "/apis/apps/v1/namespaces/kube-system/daemonsets/antrea-agent"
    for path in (daemonset, f"{CONFIG_MAPS}/antrea-config", "/api/v1/nodes/sn-node"):
        with pytest.raises(ObjectNotFound):
            reader.get(path)
    assert calls[-3:] == [("get", "daemonsets", 404), ("get", "configmaps", 404), ("get", "nodes", 404)]
    taint = {"key": "a", "effect": "NoSchedule"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "joins"}, "spec": {"taints": [taint]}}
    api.create(node)
    assert cluster.remove_taint("joins", "a")
    asked = {(item["verb"], item["resource"]) for item in api.requests(TOKEN)}
    rules = (*RULES, *POLICED_RULES)
    assert asked == {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def test_a_condition_of_a_watched_pod_costs_one_request_and_none_when_it_is_there(
    cluster: KubeCluster, api: KubeApiProcess, calls: list[tuple[str, str, int]]
) -> None:
    live = api.create(on_node(pod("a")))
    recorder = Recorder()
    assert cluster.watch(("Pod",), recorder).synced.wait(20)
    until(lambda: ("watch", "Pod", 200) in calls, "the watch")
    calls.clear()
    for _ in range(3):
        cluster.patch_pod("a", "default", live["metadata"]["uid"], condition=CONDITION)
    recorder.wait_for("MODIFIED", "a")
    cluster.patch_pod("a", "default", live["metadata"]["uid"], condition=CONDITION)
    assert [call for call in calls if call[0] != "watch"] == [("patch", "Pod", 200)]
    assert cluster._written == {}  # what it wrote itself is remembered only until the watch has reported it


def test_what_is_forbidden_names_the_rule(cluster: KubeCluster, api: KubeApiProcess) -> None:
    live = api.create(pool("p"))
    api.add_token(TOKEN, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}])
    with pytest.raises(MissingPrivilege) as caught:
        cluster.update_status(live | {"status": {"ipAddresses": []}})
    assert '{apiGroups: ["crd.antrea.io"], resources: ["ippools/status"], verbs: ["update"]}' in caught.value.hint
    (problem,) = cluster.problems()
    assert (problem.source, problem.hint) == ("update ippools/status", caught.value.hint)
    api.add_token(TOKEN, RULES)
    cluster.update_status(live | {"status": {"ipAddresses": []}})
    assert cluster.problems() == ()


def test_a_reader_tells_apart_what_is_missing_forbidden_and_unreachable(
    cluster: KubeCluster, reader: ApiReader, api: KubeApiProcess
) -> None:
    for path in (f"{CONFIG_MAPS}/antrea-config", "/apis/none.test/v1/things", "/apis/none.test/v1"):
        with pytest.raises(ObjectNotFound):
            reader.get(path)
    with pytest.raises(MissingPrivilege, match="forbidden") as refused:
        reader.get(f"{CONFIG_MAPS}/other")
    assert 'apiGroups: [""], resources: ["configmaps"], verbs: ["get"]' in refused.value.hint
    api.outage(True)
    with pytest.raises(Unavailable):
        reader.get(f"{CONFIG_MAPS}/antrea-config")
    assert cluster.problems() == ()
    api.outage(False)
    reader.close()
    with pytest.raises(Unavailable):
        reader.get(f"{CONFIG_MAPS}/antrea-config")


def test_a_resource_without_definition_is_no_missing_object(tmp_path: Path) -> None:
    server = KubeApiProcess(crds=[])
    cluster = agent(server, tmp_path)
    try:
        with pytest.raises(NotReady) as caught:
            cluster.get("IPPool", "p")
        assert not isinstance(caught.value, ObjectNotFound)
        assert "ippools of crd.antrea.io/v1beta1" in str(cluster.problems()[0])
    finally:
        cluster.close()
        server.stop()


def test_what_stood_in_the_way_of_a_watch_of_one_object_ends_with_it(api: KubeApiProcess, tmp_path: Path) -> None:
    api.add_token("few-rights", [rule for rule in RULES if "ippools" not in rule["resources"]])
    cluster = KubeCluster(api.kubeconfig(tmp_path / "few", "few-rights"), node_name="sn-node")
    try:
        watch = cluster.watch_object("IPPool", "p", "", Recorder())
        until(lambda: len(cluster.problems()) == 1, "the missing right is shown")
        watch.close()
        assert cluster.problems() == ()
    finally:
        cluster.close()
