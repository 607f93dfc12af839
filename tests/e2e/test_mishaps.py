"""What people and other programs do to a node's directories: damage, delete, mix up. No living Pod may pay for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from secnet.agent.state.run_dir import RunDirInUse, RunDirLock
from secnet_testing.netns import ping, run_in
from secnet_testing.node import BRIDGE, Node
from secnet_testing.node_inspection import addresses, exists, identity, link, picture, unchanged, wait_error, write
from secnet_testing.objects import nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs

POOL = pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24)
NETWORK = (POOL, nad("net", vlan=10, pools=["net"]))


def _put(node: Node, *objects: dict[str, object]) -> None:
    for obj in objects:
        node.store.apply(obj)


def _attach(node: Node, *names: str) -> None:
    """Pods on the network `net`, attached."""
    _put(node, *(pod(name, node.pod(name).path, "net") for name in names))
    node.wait_attached(*names)


def _address(node: Node, name: str) -> str:
    (found,) = addresses(node.pod(name), "eth1")
    return found.split("/")[0]


def _file(node: Node, kind: str, name: str) -> Path:
    (found,) = (node.state_dir / "objects" / kind).rglob(f"{name}.json")
    return found


def _holders(node: Node) -> dict[str, str]:
    """Pod name by address, as the pool lists them."""
    entries = (node.store.get("IPPool", "net").get("status") or {}).get("ipAddresses") or []
    return {entry["ipAddress"]: entry["owner"]["pod"]["name"] for entry in entries}


def test_a_damaged_pod_file_keeps_the_living_pod(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web", "db")
    bare.stop()
    file = _file(bare, "Pod", "web")
    good = file.read_bytes()
    before = identity(bare.pod("web"), "eth1")
    try:
        with traffic(bare.pod("db"), _address(bare, "web")) as flow:
            file.write_bytes(good[:40])
            agent = bare.agent()
            bare.wait_until(lambda: "Pod default/web cannot be read" in agent.text, "the agent looked at the Pod")
            _attach(bare, "new")
            flow.flows()
            assert flow.lost == 0
        assert identity(bare.pod("web"), "eth1") == before
    finally:
        file.write_bytes(good)
    bare.wait_attached("web")
    assert identity(bare.pod("web"), "eth1") == before


def test_apply_with_another_state_directory_is_refused(bare: Node, tmp_path: Path) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web", "db")
    bare.stop()
    before = picture(bare)
    folder = write(tmp_path, nad("plain", vlan=5), pod("new", bare.pod("web").path, "plain"))
    for command in ("apply", "delete"):
        done = bare.cli(command, folder, "--state-dir", tmp_path / "other")
        assert done.returncode == 1
        assert "Conflict" in done.stderr
        assert str(bare.state_dir) in done.stderr
        assert str(tmp_path / "other") in done.stderr
        unchanged(before, bare)
    assert ping(bare.pod("web"), _address(bare, "db"))


def test_a_pool_recreated_learns_the_addresses_in_use(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web")
    file = _file(bare, "IPPool", "net")
    file.unlink()
    bare.wait_until(lambda: not exists(bare, "IPPool", "net", ""), "the pool is gone")
    _put(bare, POOL)
    _attach(bare, "db")
    assert _address(bare, "db") != _address(bare, "web")
    bare.wait_until(lambda: len(_holders(bare)) == 2, "the pool lists both")
    assert _holders(bare) == {_address(bare, "web"): "web", _address(bare, "db"): "db"}
    assert ping(bare.pod("web"), _address(bare, "db"))


def test_no_one_enters_a_namespace_before_its_pod_left_it(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web", "db")
    ours, theirs = bare.pod("web"), bare.pod("db")
    _put(bare, pod("next", ours.path, "net@eth5"))
    wait_error(bare, "next")
    _put(bare, pod("web", theirs.path, "net"))  # a mistake: it conflicts there, and has left its own
    bare.wait_attached("next")
    assert link(ours, "eth1") == {}, "two Pods in one namespace"
    assert addresses(ours, "eth5")
    bare.store.delete("Pod", "db", "default")
    bare.wait_attached("web")
    assert addresses(theirs, "eth1")
    assert len(bare.records()) == 2


def test_two_pods_change_places(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web", "db")
    one, two = bare.pod("web"), bare.pod("db")
    _put(bare, pod("web", two.path, "net@eth7"), pod("db", one.path, "net@eth8"))
    bare.wait_attached("web", "db")
    assert (link(one, "eth1"), link(one, "eth7"), link(two, "eth1"), link(two, "eth8")) == ({}, {}, {}, {})
    held = {addresses(two, "eth7")[0].split("/")[0]: "web", addresses(one, "eth8")[0].split("/")[0]: "db"}
    assert _holders(bare) == held


def test_a_status_that_cannot_be_written_does_not_hide_the_pod(bare: Node) -> None:
    folder = bare.state_dir
    _put(bare, nad("plain", vlan=5), pod("web", bare.pod("web").path, "plain"))
    # Root is not bound by file modes: the directory is read-only in the mount namespace of the agent alone.
    script = f'mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec {_program()} "$@"'
    agent = bare.agent(program=["unshare", "--mount", "sh", "-c", script, "sh"])
    bare.wait_attached("web")
    assert bare.network_status("web") == []
    run_in(
        None, ["nsenter", f"--target={agent.pid}", "--mount", "--root", "mount", "-o", "remount,bind,rw", str(folder)]
    )
    bare.wait_until(lambda: bare.network_status("web"), "the status is written when it can be")


def _program() -> str:
    return str(Path(sys.executable).with_name("secnet"))


@contextmanager
def _applying(node: Node, folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """`secnet apply` of a Pod whose namespace does not exist yet, already seen by whoever reconciles."""
    run_in(None, ["ip", "netns", "del", node.pod(name).name])
    write(folder, pod(name, node.pod(name).path, "net"))
    argv = ["nsenter", f"--net={node.namespace.path}", "--", _program(), "apply", str(folder), "--timeout", "40"]
    with subprocess.Popen([*argv, "--config", str(node.config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_error(node, name)
            yield process
        finally:
            process.kill()


def _appear(node: Node, name: str) -> None:
    run_in(None, ["ip", "netns", "add", node.pod(name).name])


def test_an_apply_goes_on_when_the_apply_that_worked_for_it_ends(bare: Node, tmp_path: Path) -> None:
    _put(bare, *NETWORK)
    with _applying(bare, tmp_path / "1", "first") as first, _applying(bare, tmp_path / "2", "second") as second:
        _appear(bare, "first")
        assert first.wait(30) == 0
        assert addresses(bare.pod("first"), "eth1")
        _appear(bare, "second")
        assert second.wait(30) == 0
    assert addresses(bare.pod("second"), "eth1")


def test_an_apply_goes_on_when_the_agent_stops(bare: Node, tmp_path: Path) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    with _applying(bare, tmp_path, "web") as process:
        bare.stop()
        _appear(bare, "web")
        assert process.wait(30) == 0
    assert addresses(bare.pod("web"), "eth1")


def test_applies_at_once_all_succeed(bare: Node, tmp_path: Path) -> None:
    _put(bare, *NETWORK)
    folders = [write(tmp_path / name, pod(name, bare.pod(name).path, "net")) for name in ("a", "b", "c")]
    with ThreadPoolExecutor() as threads:
        done = list(threads.map(lambda folder: bare.cli("apply", folder, "--timeout", "30"), folders))
    assert [item.returncode for item in done] == [0, 0, 0], done
    assert len({_address(bare, name) for name in ("a", "b", "c")}) == 3


def test_a_run_directory_removed_under_the_agent_comes_back(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web")
    before = identity(bare.pod("web"), "eth1")
    recorded = bare.records()
    bare.run_dir.rename(bare.folder / "lost")  # as one step: the agent may be writing there
    shutil.rmtree(bare.folder / "lost")
    bare.wait_until(lambda: bare.records() == recorded, "the records are back")
    with pytest.raises(RunDirInUse):
        RunDirLock(bare.run_dir).acquire("the test")
    _attach(bare, "db")
    assert ping(bare.pod("db"), _address(bare, "web"))
    assert identity(bare.pod("web"), "eth1") == before
    bare.store.delete("Pod", "web", "default")
    bare.wait_detached("web")
    assert link(bare.pod("web"), "eth1") == {}
    assert list(_holders(bare).values()) == ["db"]


@pytest.mark.parametrize("stopped", [False, True], ids=["until the other has ended", "until it is stopped itself"])
def test_an_agent_waits_for_the_one_that_it_replaces(bare: Node, stopped: bool) -> None:
    """The test is the other one, at the end of its work."""
    lock = RunDirLock(bare.run_dir)
    lock.acquire("the test")
    agent = bare.agent(ready=False)
    bare.wait_until(lambda: "waiting up to" in agent.text, "it waits")
    assert "the test (pid" in agent.text
    if stopped:
        agent.stop()
    lock.release()
    if not stopped:
        agent.wait_started()


def test_a_lost_run_directory_and_a_pod_made_again_in_its_namespace(bare: Node) -> None:
    _put(bare, *NETWORK)
    bare.agent()
    _attach(bare, "web", "db")
    ports = bare.ovs.rows()["Bridge"][BRIDGE]["ports"]
    bare.stop()
    shutil.rmtree(bare.run_dir)
    bare.store.delete("Pod", "web", "default")
    bare.agent()
    _attach(bare, "web", "db")
    assert len(bare.ovs.rows()["Bridge"][BRIDGE]["ports"]) == len(ports)
    assert ping(bare.pod("web"), _address(bare, "db"))
