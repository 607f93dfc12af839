"""The agent's view of sandboxes, on a real containerd."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.sandboxes.cri import CriSandboxes, RuntimeClient
from secnet.agent.sandboxes.cri._client import SandboxStatus
from secnet.contract import Gone, NotReady, Unavailable, Unsupported
from secnet.linux.netns import identify
from secnet_testing.runtime.daemon import until
from secnet_testing.runtime.runtime import Runtime

pytestmark = pytest.mark.runtime


@pytest.fixture
def client(runtime: Runtime) -> Iterator[RuntimeClient]:
    with RuntimeClient(runtime.socket) as client:
        yield client


@pytest.fixture
def source(client: RuntimeClient) -> CriSandboxes:
    return CriSandboxes(client, keep=0)


def pod(name: str = "web-0", uid: str = "", **annotations: str) -> dict[str, Any]:
    """A Pod as the API has it."""
    metadata = {"namespace": "default", "name": name, "uid": uid or str(uuid.uuid4()), "annotations": annotations}
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}}


def run(runtime: Runtime, pod: dict[str, Any], **options: Any) -> str:
    """Its sandbox, as the kubelet makes it."""
    meta = pod["metadata"]
    return runtime.run_pod(meta["namespace"], meta["name"], uid=meta["uid"], annotations=meta["annotations"], **options)


def test_the_namespace_is_that_of_the_sandbox(runtime: Runtime, source: CriSandboxes) -> None:
    web, other = pod(), pod("web-1")
    sandbox, _ = run(runtime, web), run(runtime, other)
    found = source.resolve(web)
    assert found.container_id == sandbox
    seen = os.stat(f"/proc/{runtime.state(sandbox).pid}/ns/net")
    assert (found.netns.device, found.netns.inode) == (seen.st_dev, seen.st_ino)
    assert found.netns.path == runtime.state(sandbox).netns
    assert source.fingerprint(web) != source.fingerprint(other)
    assert source.fingerprint(web) == source.fingerprint(web)


def test_a_pod_without_a_sandbox_is_not_ready(runtime: Runtime, source: CriSandboxes) -> None:
    run(runtime, pod("web-1"))
    web = pod()
    assert source.fingerprint(web) is None
    with pytest.raises(NotReady, match="Pod default/web-0"):
        source.resolve(web)


def test_a_sandbox_whose_process_was_killed_is_none(runtime: Runtime, source: CriSandboxes) -> None:
    """Its namespace is still there: only the state tells."""
    web = pod()
    sandbox = run(runtime, web)
    before = source.fingerprint(web)
    path = source.resolve(web).netns.path
    runtime.kill_pause(sandbox)
    assert Path(path).exists()
    with pytest.raises(NotReady):
        source.resolve(web)
    assert source.fingerprint(web) != before
    assert source.living() == frozenset()


def test_a_sandbox_made_again_under_the_same_uid(runtime: Runtime, source: CriSandboxes) -> None:
    web = pod()
    old = run(runtime, web)
    first, before = source.resolve(web), source.fingerprint(web)
    runtime.kill_pause(old)
    new = run(runtime, web, attempt=1)
    second = source.resolve(web)
    assert (first.container_id, second.container_id) == (old, new)
    assert (first.netns.cookie, first.netns.path) != (second.netns.cookie, second.netns.path)
    assert source.fingerprint(web) != before
    assert source.living() == {new}
    runtime.remove_pod(old)
    assert source.resolve(web) == second


def test_the_newest_of_two_living_sandboxes_counts(runtime: Runtime, source: CriSandboxes) -> None:
    web = pod()
    run(runtime, web)
    new = run(runtime, web, attempt=1)
    assert source.resolve(web).container_id == new


def test_a_pod_of_the_same_name_made_again(runtime: Runtime, source: CriSandboxes) -> None:
    """While the old one still ends, the new one must not be given its namespace."""
    old, new = pod(), pod()
    first = run(runtime, old)
    with pytest.raises(NotReady):
        source.resolve(new)
    second = run(runtime, new)
    assert source.resolve(old).container_id == first
    assert source.resolve(new).container_id == second


@pytest.mark.parametrize("declared", [True, False], ids=["as the Pod says", "as the runtime says"])
def test_a_pod_on_the_network_of_the_host(runtime: Runtime, source: CriSandboxes, declared: bool) -> None:
    web = pod()
    web["spec"]["hostNetwork"] = declared
    run(runtime, web, host_network=True)
    with pytest.raises(Unsupported, match="remove hostNetwork"):
        source.resolve(web)


def test_a_static_pod_is_found_by_the_hash_of_its_configuration(runtime: Runtime, source: CriSandboxes) -> None:
    """The mirror in the API has a uid that the kubelet never told the runtime."""
    hashed = uuid.uuid4().hex
    sandbox = runtime.run_pod("default", "web-0", uid=hashed, source="file")
    mirror = pod(**{"kubernetes.io/config.hash": hashed, "kubernetes.io/config.mirror": hashed})
    assert source.resolve(mirror).container_id == sandbox
    assert source.fingerprint(mirror) is not None


@pytest.mark.parametrize(
    "name", [pytest.param("web-0", id="an older Pod of its own name"), pytest.param("db-0", id="another Pod")]
)
def test_a_pod_cannot_pose_as_the_mirror_of_another(runtime: Runtime, source: CriSandboxes, name: str) -> None:
    """Anybody may write these annotations."""
    victim = pod(name)
    run(runtime, victim)
    uid = victim["metadata"]["uid"]
    intruder = pod(**{"kubernetes.io/config.hash": uid, "kubernetes.io/config.mirror": uid})
    with pytest.raises(NotReady):
        source.resolve(intruder)
    assert source.fingerprint(intruder) is None


def test_a_pod_cannot_pose_as_the_mirror_of_a_static_one(runtime: Runtime, source: CriSandboxes) -> None:
    hashed = uuid.uuid4().hex
    runtime.run_pod("kube-system", "etcd-0", uid=hashed, source="file")
    intruder = pod(**{"kubernetes.io/config.hash": hashed, "kubernetes.io/config.mirror": hashed})
    with pytest.raises(NotReady):
        source.resolve(intruder)


def test_a_pod_cannot_name_its_namespace(runtime: Runtime, source: CriSandboxes) -> None:
    """Neither the host's nor another Pod's: the annotation means nothing in a cluster."""
    victim = pod("db-0")
    run(runtime, victim)
    theirs = source.resolve(victim)
    for path in ("/proc/1/ns/net", "/proc/self/ns/net", theirs.netns.path):
        with pytest.raises(NotReady):
            source.resolve(pod(**{"secnet.io/netns": path}))
        intruder = pod("evil-0", **{"secnet.io/netns": path})
        sandbox = run(runtime, intruder)
        found = source.resolve(intruder)
        assert found.container_id == sandbox
        assert found.netns not in (theirs.netns, identify("/proc/self/ns/net"))


def test_a_namespace_that_vanished_under_its_sandbox(runtime: Runtime, source: CriSandboxes) -> None:
    web = pod()
    sandbox = run(runtime, web)
    before = source.fingerprint(web)
    path = source.resolve(web).netns.path
    assert source.fingerprint(web) == before
    runtime.unmount(path)
    assert runtime.sandboxes() == {sandbox: True}
    assert source.fingerprint(web) != before
    with pytest.raises(NotReady, match=r"not a namespace|does not exist"):
        source.resolve(web)


def test_a_runtime_that_is_killed_and_comes_back(runtime: Runtime, source: CriSandboxes) -> None:
    web = pod()
    run(runtime, web)
    before, fingerprint = source.resolve(web), source.fingerprint(web)
    runtime.kill()
    assert source.fingerprint(web) == fingerprint
    assert not source.refresh()
    assert source.living() is None
    with pytest.raises(Unavailable, match="look whether the container runtime runs"):
        source.resolve(web)
    runtime.start()
    until(source.refresh, "the connection to the runtime is back")
    assert source.resolve(web) == before
    assert source.fingerprint(web) == fingerprint
    assert source.living() == {before.container_id}


def test_a_runtime_that_was_never_there(tmp_path: Path) -> None:
    with RuntimeClient(tmp_path / "no.sock") as client:
        source = CriSandboxes(client)
        assert source.fingerprint(pod()) is None
        assert source.living() is None
        with pytest.raises(Unavailable, match=r"cri\.socket"):
            source.resolve(pod())


def test_a_sandbox_that_is_none(client: RuntimeClient) -> None:
    with pytest.raises(Gone, match="NOT_FOUND"):
        client.status("0" * 64)


def test_a_plugin_is_called_twice_to_remove_a_sandbox(runtime: Runtime) -> None:
    """The second time without a namespace: what the agent's own plugin must live with."""
    recorded = runtime.add_recorder()
    runtime.chain({"type": "sn-recorder"})
    runtime.restart()
    try:
        web = pod()
        sandbox = run(runtime, web)
        netns = runtime.state(sandbox).netns
        runtime.remove_pod(sandbox)
        calls = [json.loads(line) for line in recorded.read_text().splitlines()]
        declared = [(call["CNI_COMMAND"], call.get("CNI_NETNS") or None) for call in calls]
        assert [each for each in declared if each[0] != "VERSION"] == [("ADD", netns), ("DEL", netns), ("DEL", None)]
        assert {call["CNI_CONTAINERID"] for call in calls if call["CNI_COMMAND"] != "VERSION"} == {sandbox}
        arguments = dict(part.split("=", 1) for part in calls[-1]["CNI_ARGS"].split(";"))
        assert arguments["K8S_POD_UID"] == web["metadata"]["uid"]
    finally:
        runtime.chain()
        runtime.restart()


class Asked(RuntimeClient):
    """Counts how often the runtime was asked about one sandbox."""

    times = 0

    def status(self, sandbox_id: str) -> SandboxStatus:
        self.times += 1
        return super().status(sandbox_id)


def test_a_sandbox_that_was_resolved_is_known_until_something_differs(runtime: Runtime) -> None:
    web = pod()
    old = run(runtime, web)
    with Asked(runtime.socket) as client:
        source = CriSandboxes(client, keep=0)
        first = source.resolve(web, now=False)
        assert (first.container_id, client.times) == (old, 1)
        assert source.resolve(web, now=False) == first
        assert client.times == 1
        assert source.resolve(web) == first
        assert client.times == 2
        runtime.kill_pause(old)
        with pytest.raises(NotReady):
            source.resolve(web, now=False)
        new = run(runtime, web, attempt=1)
        assert source.resolve(web, now=False).container_id == new


def test_a_known_sandbox_whose_namespace_vanished_is_none(runtime: Runtime, source: CriSandboxes) -> None:
    web = pod()
    run(runtime, web)
    path = source.resolve(web).netns.path
    runtime.unmount(path)
    with pytest.raises(NotReady):
        source.resolve(web, now=False)


def test_a_list_shows_the_end_of_a_sandbox_that_was_listed_before(runtime: Runtime, client: RuntimeClient) -> None:
    first, second = run(runtime, pod()), run(runtime, pod("web-1"))
    assert {each.id: each.ready for each in client.sandboxes()} == {first: True, second: True}
    runtime.kill_pause(first)
    assert {each.id: each.ready for each in client.sandboxes()} == {first: False, second: True}
    runtime.remove_pod(first)
    assert [each.id for each in client.sandboxes()] == [second]
