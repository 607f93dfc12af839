"""The small kubelet, with the test API server and a real containerd."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.kubeapi.admin import Rejected
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.kubelet import Kubelet
from secnet_testing.netns import ping
from secnet_testing.runtime.daemon import until
from secnet_testing.runtime.runtime import Runtime

pytestmark = pytest.mark.runtime


def pod(name: str = "web-0", *, node: str = "node-1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": name, "annotations": {"example.org/colour": "blue"}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "registry.test/busybox:1"}], **spec},
    }


def condition(kubeapi: KubeApiProcess, obj: dict[str, Any], kind: str) -> str:
    """The status of a Pod's condition; empty without one."""
    found = kubeapi.get(obj).get("status", {}).get("conditions") or []
    return next((str(each["status"]) for each in found if each["type"] == kind), "")


def wait_ready(kubeapi: KubeApiProcess, obj: dict[str, Any]) -> dict[str, Any]:
    """Wait until the API says that a Pod is ready; the object as it is then."""
    until(lambda: condition(kubeapi, obj, "Ready") == "True", f"{obj['metadata']['name']} is ready")
    return kubeapi.get(obj)


def exists(kubeapi: KubeApiProcess, obj: dict[str, Any]) -> bool:
    try:
        kubeapi.get(obj)
    except Rejected as exc:
        if exc.status == 404:
            return False
        raise
    return True


@pytest.mark.smoke
def test_a_pod_runs_and_is_removed(runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet) -> None:
    web, other = pod(), pod("web-1", node="node-2")
    kubeapi.create(web)
    kubeapi.create(other)
    status = wait_ready(kubeapi, web)["status"]
    assert status["phase"] == "Running"
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    assert ping(runtime.namespace, status["podIP"])
    shown = runtime.exec(kubelet.container("default", "web-0"), "ip", "-4", "addr", "show", "eth0")
    assert f"inet {status['podIP']}/24" in shown.stdout
    (sandbox,) = runtime.pods()
    assert (sandbox.namespace, sandbox.name) == ("default", "web-0")
    assert sandbox.uid == kubeapi.get(web)["metadata"]["uid"]
    kubeapi.delete(web)
    until(lambda: not runtime.sandboxes(), "the sandbox is gone")
    assert not ping(runtime.namespace, status["podIP"], within=1)
    assert kubeapi.get(other)["status"]["phase"] == "Pending"
    assert condition(kubeapi, other, "PodScheduled") == ""


def test_a_pod_is_deleted_only_when_its_sandbox_is_gone(
    runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet
) -> None:
    web = pod()
    kubeapi.create(web)
    wait_ready(kubeapi, web)
    kubeapi.delete(web, grace=30)
    until(lambda: not exists(kubeapi, web), "the kubelet removes the object")
    assert runtime.sandboxes() == {}


def test_a_pod_of_the_same_name_made_again(runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet) -> None:
    web = pod()
    kubeapi.create(web)
    old = wait_ready(kubeapi, web)["metadata"]["uid"]
    kubeapi.delete(web)
    kubeapi.create(web)
    new = wait_ready(kubeapi, web)["metadata"]["uid"]
    assert new != old
    until(lambda: [found.uid for found in runtime.pods()] == [new], "only the new one has a sandbox")


def test_a_sandbox_that_died_is_made_again(runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet) -> None:
    web = pod()
    kubeapi.create(web)
    before = wait_ready(kubeapi, web)
    old = kubelet.sandbox("default", "web-0")
    runtime.kill_pause(old)
    until(lambda: kubelet.sandbox("default", "web-0") not in ("", old), "there is another sandbox")
    until(lambda: len(runtime.sandboxes()) == 1, "the old one is forgotten")
    after = wait_ready(kubeapi, web)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    (sandbox,) = runtime.pods()
    assert (sandbox.uid, sandbox.attempt) == (before["metadata"]["uid"], 1)
    until(lambda: kubeapi.get(web)["status"]["podIP"] in runtime.state(sandbox.id).addresses, "the address is new")


def test_a_readiness_gate(runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet) -> None:
    web = pod(readinessGates=[{"conditionType": "secnet.io/SecondaryNetworksReady"}])
    kubeapi.create(web)
    until(lambda: condition(kubeapi, web, "ContainersReady") == "True", "the containers run")
    assert condition(kubeapi, web, "Ready") == "False"
    conditions = kubeapi.get(web)["status"]["conditions"]
    gate = {"type": "secnet.io/SecondaryNetworksReady", "status": "True"}
    kubeapi.patch(web, {"status": {"conditions": [*conditions, gate]}}, "/status")
    wait_ready(kubeapi, web)
    assert condition(kubeapi, web, gate["type"]) == "True"


def test_a_plugin_that_fails_and_recovers(
    runtime: Runtime, kubeapi: KubeApiProcess, kubelet_factory: Callable[[], Kubelet], tmp_path: Path
) -> None:
    recorded = runtime.add_recorder()
    broken = tmp_path / "broken"
    broken.touch()
    runtime.chain({"type": "sn-recorder", "failWhile": str(broken)})
    runtime.restart()
    try:
        kubelet = kubelet_factory()
        web = pod()
        kubeapi.create(web)
        until(lambda: "told to fail" in kubelet.failure("default", "web-0"), "the failure is seen")
        assert condition(kubeapi, web, "Ready") == "False"
        assert kubeapi.get(web)["status"]["phase"] == "Pending"
        assert runtime.sandboxes() == {}
        broken.unlink()
        wait_ready(kubeapi, web)
        assert kubelet.failure("default", "web-0") == ""
        commands = [json.loads(line)["CNI_COMMAND"] for line in recorded.read_text().splitlines()]
        assert commands.count("ADD") >= 2
    finally:
        runtime.chain()
        runtime.restart()


def test_api_and_runtime_come_and_go(
    runtime: Runtime, kubeapi: KubeApiProcess, kubelet_factory: Callable[[], Kubelet]
) -> None:
    """Neither is taken for the end of Pods; what happened meanwhile is caught up with."""
    kubelet = kubelet_factory()
    kept, removed = pod(), pod("web-1")
    kubeapi.create(kept)
    kubeapi.create(removed)
    wait_ready(kubeapi, kept)
    wait_ready(kubeapi, removed)
    sandbox = kubelet.sandbox("default", "web-0")
    kubeapi.cut_watches()
    runtime.restart()
    kubelet.stop()
    kubeapi.delete(removed)
    kubelet = kubelet_factory()
    until(lambda: list(runtime.sandboxes()) == [sandbox], "the Pod deleted meanwhile is torn down")
    until(lambda: kubelet.sandbox("default", "web-0") == sandbox, "the other is taken over")
    assert runtime.exec(kubelet.container("default", "web-0"), "true").code == 0


def test_many_pods_at_once(runtime: Runtime, kubeapi: KubeApiProcess, kubelet: Kubelet) -> None:
    pods = [pod(f"web-{number}") for number in range(8)]
    for each in pods:
        kubeapi.create(each)
    addresses = {wait_ready(kubeapi, each)["status"]["podIP"] for each in pods}
    assert len(addresses) == 8
    for each in pods:
        kubeapi.delete(each)
    until(lambda: not runtime.sandboxes(), "all sandboxes are gone")
